# SPDX-License-Identifier: GPL-2.0-or-later
"""``goldlock trace`` on real programs that are in each other's way."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, quiet_environment

pytestmark = pytest.mark.usefixtures("_supervisor")

COMMAND = (sys.executable, str(ROOT / "run_tests.py"), "trace")

LOCKED = """
sqlite3 t.db 'create table t(a)'
mkfifo never
sqlite3 t.db 'begin immediate' '.shell sqlite3 t.db "insert into t values(1)"'
"""


def trace(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=quiet_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Trace a database that is locked; return the folder, and what was told."""
    folder = tmp_path_factory.mktemp("trace")
    done = trace(folder, "--html", "p.html", "--perfetto", "p.json", "--", "sh", "-c", LOCKED)
    assert "database is locked" in done.stderr
    return folder, done.stderr


def test_who_is_in_the_way_is_told(locked: tuple[Path, str]) -> None:
    _, said = locked
    refused = (
        r"sqlite3\[(\d+)\]: lock 1073741825 of t\.db, write posix: EAGAIN, by sqlite3\[(\d+)\]"
    )
    found = re.search(refused, said)
    assert found, said
    assert f"sqlite3[{found[1]}] was refused by sqlite3[{found[2]}]" in said.splitlines()
    assert found[1] != found[2]
    assert ": ok, by " not in said


def test_the_page_has_a_lane_for_each_process(locked: tuple[Path, str]) -> None:
    page = (locked[0] / "p.html").read_text()
    assert len(re.findall(r"<b [^>]*>sqlite3 \(pid \d+\)</b>", page)) == 3
    title = "t.db 1073741825, write, POSIX"
    assert re.search(rf'class="bar exclusive" title="{title}"', page)
    refused = r'class="refused"[^>]*>lock 1073741825 of t\.db, write posix: EAGAIN<small>by sqlite3'
    assert re.search(refused, page)


def test_the_trace_for_perfetto_has_bars_and_refusals(locked: tuple[Path, str]) -> None:
    events = json.loads((locked[0] / "p.json").read_text())["traceEvents"]
    bars = [event for event in events if event["ph"] == "X"]
    assert {"t.db 1073741825, write"} <= {event["name"] for event in bars}
    assert all(event["dur"] >= 0 for event in bars)
    (refused,) = [event for event in events if event["ph"] == "i"]
    assert refused["name"] == "lock 1073741825 of t.db, write posix: EAGAIN"


def test_a_wait_is_told_and_its_end(tmp_path: Path) -> None:
    script = "mkfifo go; flock f sh -c 'echo >go' & read -r x <go; flock f true; wait"
    done = trace(tmp_path, "--", "sh", "-c", script)
    assert done.returncode == 0
    assert "flock of f, exclusive waiting: ok" in done.stderr


def test_files_that_lock_are_shown(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    script = "touch a; set -C; >.git/index.lock; git add a; rm .git/index.lock; mkdir d d"
    done = trace(tmp_path, "--files", "--html", "p.html", "--", "sh", "-c", script)
    refused = r"git\[\d+\]: create \.git/index\.lock: EEXIST, by sh\[\d+\]"
    assert re.search(refused, done.stderr), done.stderr
    assert "EEXIST, by mkdir[" in done.stderr
    assert " was refused by mkdir" not in done.stderr  # nobody was in its way
    assert 'title=".git/index.lock, a file that is there"' in (tmp_path / "p.html").read_text()


def test_a_call_that_was_not_done_is_told(tmp_path: Path) -> None:
    """What only the call itself can find out: no folder can be made there."""
    done = trace(tmp_path, "--files", "--", "sh", "-c", "mkdir /proc/d; mkdir e")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert re.search(r"mkdir\[\d+\]: mkdir e: ok", done.stderr)
    # To some it is forbidden anyway, or it is read-only there.
    assert re.search(r"mkdir\[\d+\]: mkdir /proc/d: (not done|E[A-Z]+)\n", done.stderr)


def test_only_paths_below_the_current_folder_are_shortened(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    far = there / str(here).lstrip("/")
    far.mkdir(parents=True)
    here.mkdir()
    done = trace(here, "--", "flock", f"{far}/f", "flock", "f", "true")
    assert f": flock of {far}/f, exclusive waiting: ok" in done.stderr
    assert ": flock of f, exclusive waiting: ok" in done.stderr
    done = trace(Path("/"), "--", "flock", f"{far}/f", "true")
    assert f": flock of {far}/f, exclusive waiting: ok" in done.stderr


def test_bytes_have_the_names_of_a_suite(tmp_path: Path) -> None:
    suite = str(ROOT / "tests" / "worlds" / "sqlite")
    done = trace(tmp_path, "--suite", suite, "--", "sqlite3", "t.db", "create table t (x)")
    assert "lock 1073741825 (RESERVED) of t.db, write posix: ok" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--", "sh", "-c", "exit 7"), 7, ""),
        (("--", "sh", "-c", "kill -9 $$"), 137, ""),
        (
            ("--", "no-such-program"),
            127,
            "goldlock trace: cannot run no-such-program: No such file",
        ),
        ((), 2, "goldlock trace: no program: expected -- PROGRAM [ARGUMENT ...]"),
        (("true",), 2, """expected "--" before the program, not 'true'"""),
        (("--html", "no/p.html", "--", "true"), 2, "no/p.html: no such folder"),
        (("--suite", "no", "--", "true"), 2, "no: has no suite.toml, which could name bytes"),
        (
            ("--kit", "nobody", "--", "true"),
            2,
            "goldlock trace: --kit nobody: no kit has the name nobody",
        ),
        (("-o", ".", "--", "true"), 2, ".: Is a directory"),
        (("-o", "-", "--", "true"), 2, "-: expected a file; standard output is the program's"),
        (("-o", "/dev/full", "--", "flock", "f", "true"), 2, "/dev/full: No space left on device"),
    ],
)
def test_the_exit_status(tmp_path: Path, words: tuple[str, ...], status: int, said: str) -> None:
    done = trace(tmp_path, *words)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (("trace",), "goldlock trace: goldlock trace or faults, or a case, has a"),
        (("trace", "--files"), "goldlock trace: goldlock trace or faults, or a case, has a"),
        (
            ("faults", "--files"),
            "goldlock faults: --files: goldlock trace or faults, or a case, has a",
        ),
        (
            ("faults", "--trace", "lines"),
            "goldlock faults: --trace: goldlock trace or faults, or a case, has a",
        ),
    ],
)
def test_a_trace_within_a_trace_is_refused_by_what_was_typed(
    tmp_path: Path, inner: tuple[str, ...], said: str
) -> None:
    done = trace(tmp_path, "-o", "lines", "--", *COMMAND[:-1], *inner, "--", "touch", "ran")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(said)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("flag", ["--html", "--perfetto"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("/dev/full", "is a character device, not a file"),
        (".", "is a directory, not a file"),
        ("/proc/picture", "No such file or directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_told_before_the_program_runs(
    tmp_path: Path, flag: str, file: str, said: str
) -> None:
    done = trace(tmp_path, flag, file, "--", "touch", "ran")
    assert (done.returncode, done.stderr) == (2, f"goldlock trace: {file}: {said}\n")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("lines", ["2>/dev/full", "2>&-", "-o /dev/full"])
def test_the_picture_is_there_when_lines_cannot_be_written(tmp_path: Path, lines: str) -> None:
    command = " ".join(f"'{word}'" for word in COMMAND)
    options = f"{lines} --html p.html --perfetto p.json"  # a shell takes 2> anywhere
    script = f"{command} {options} -- flock f true"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=quiet_environment(), check=False)
    assert done.returncode == (0 if lines == "2>&-" else 2)
    assert "flock of f, exclusive waiting: ok" in (tmp_path / "p.html").read_text()
    assert json.loads((tmp_path / "p.json").read_text())["traceEvents"]


def test_names_of_files_and_programs_harm_no_terminal_and_no_page(tmp_path: Path) -> None:
    name = "a\x1b[31m<b>&\n.lock"
    done = trace(tmp_path, "--html", "p.html", "--", "flock", name, "true")
    assert "\x1b" not in done.stderr
    page = (tmp_path / "p.html").read_text()
    assert "\x1b" not in page
    assert "<b>&" not in page


def test_control_c_ends_the_program_and_leaves_the_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "up")
    script = "exec 9>f; flock 9; echo >up; exec sleep 1000"
    running = subprocess.Popen(
        [*COMMAND, "--html", "p.html", "--", "sh", "-c", script],
        cwd=tmp_path,
        env=quiet_environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    (tmp_path / "up").read_text()
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 128 + signal.SIGINT
    assert "flock of f, exclusive waiting: ok" in said
    assert "flock of f, exclusive waiting: ok" in (tmp_path / "p.html").read_text()


def test_a_flock_that_the_shell_keeps_goes_on_after_its_program(tmp_path: Path) -> None:
    wait = f"'{sys.executable}' '{ROOT}/run_tests.py' wait --line 'still locks f' --of lines"
    done = trace(tmp_path, "-o", "lines", "--", "sh", "-c", f"exec 9>f; flock 9; {wait}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "has ended; a process that" in (tmp_path / "lines").read_text()
