# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case script can do, and what its runner sees of it."""

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.case.case import Case
from goldlock.environment import Environment

from tests.case.support import make_case, make_environment, run_script
from tests.conftest import ROOT

Capture = pytest.CaptureFixture[bytes]


def test_the_record_goes_through_the_environment_and_back() -> None:
    record = Environment("1", "/t", "/s", goldlock_log="/l")
    assert Environment.from_environ(record.to_environ()) == record


def test_a_script_that_is_started_by_hand_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "cases/153.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / ".import")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "GOLDLOCK_CASE is not set: a case is started by goldlock, not by hand" in done.stderr
    assert "Traceback" not in done.stderr


def test_exit_statuses(tmp_path: Path) -> None:
    done = run_script(tmp_path, "def main(case):\n    case.not_run('no moon')")
    assert (done.returncode, done.stdout, done.stderr) == (77, "no moon\n", "")


def test_an_error_names_the_line_of_the_script(tmp_path: Path) -> None:
    text = "def helper(case):\n    case.program('no-such')('x')\ndef main(case):\n    helper(case)"
    done = run_script(tmp_path, text)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/1.py:3: no-such is not installed; ")
    assert done.stderr == ""


def test_importing_a_case_runs_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path += ['cases', '.']; __import__('153')"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b""


def test_a_program_gets_its_input_and_is_heard_on_both_streams(tmp_path: Path) -> None:
    script = "import sys; print(sys.stdin.read(), end='!'); sys.exit('bad \\udcff')"
    python = make_case(tmp_path).program(sys.executable, "-c", script)
    done = python(stdin="hello")
    assert (done.status, done.stdout) == (1, "hello!")
    assert done.text == done.stdout + done.stderr


def test_a_program_that_does_not_read_its_input_is_no_error(tmp_path: Path) -> None:
    assert make_case(tmp_path).program("true")(stdin="x" * 1_000_000).status == 0


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    """The fifo is opened for reading only after the program came back."""
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", fifo], check=True)
    shell = make_case(tmp_path).program("sh")
    assert shell("-c", f"(echo done > {fifo}) & echo started").stdout == "started\n"
    assert fifo.read_text() == "done\n"


def test_what_is_echoed_is_the_command_of_the_case(tmp_path: Path) -> None:
    program = make_case(tmp_path).program("/bin/sh", "-e")
    assert program.echo("-c", "exit  1", "") == "sh -c 'exit  1' ''"
    assert program.argv("x") == ["/bin/sh", "-e", "x"]


def test_output_is_logged_with_line_ends_and_without_empty_texts(
    tmp_path: Path, capfdbinary: Capture
) -> None:
    case = make_case(tmp_path)
    case.log("one")
    case.log("two\n")
    case.log()
    case.log("", case.paths)
    case.log("bytes \udcff and ü")
    out, _ = capfdbinary.readouterr()
    assert out == b"one\ntwo\n\nbytes \xff and \xc3\xbc\n"


def test_headings_in_each_style(tmp_path: Path, capfdbinary: Capture) -> None:
    case = make_case(tmp_path)
    case.section(f"in {case.test_dir}")
    case.section("two", "tight")
    case.section("three", style="major")
    out, _ = capfdbinary.readouterr()
    assert out == b"\n== in TEST_DIR ==\n== two ==\n\n=== three ===\n\n"


def test_a_command_is_shown_with_its_errors_only(tmp_path: Path, capfdbinary: Capture) -> None:
    case = make_case(tmp_path)
    shell = case.program("sh")
    assert case.show_errors(shell, "-c", f"echo {case.test_dir} >&2; echo out; exit 3").status == 3
    out, _ = capfdbinary.readouterr()
    assert out == b"\nsh -c 'echo TEST_DIR >&2; echo out; exit 3'\nTEST_DIR\n"


def test_the_log_notes_who_holds_what_where_a_lock_is_refused(tmp_path: Path) -> None:
    """The whole table once, then only that it has not changed, or that nothing is locked."""

    class Refusing(Case):
        refused = re.compile("is locked")

    case = Refusing(make_environment(tmp_path))
    refuse = case.program("sh", "-c", "echo database is locked >&2")
    with Path(case.test_dir, "t.db").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refuse()
        refuse()
    refuse()
    log = (tmp_path / "log").read_text()
    notes = [line for line in log.splitlines() if line.startswith(("#", "t.db"))]
    assert notes[0] == "# locks:"
    assert notes[1].startswith("t.db: all bytes, exclusive (flock): ")
    assert notes[1].endswith(f" (pid {os.getpid()}, holder)")
    assert notes[2:] == ["# locks: as before", "# locks: none"]


REFUSALS = (
    "Error: database is locked",
    "fatal: Unable to create '/x/.git/index.lock': File exists.",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 5",
    "E: Could not get lock /var/lib/dpkg/lock. It is held by process 3 (apt)",
    'FATAL:  lock file "postmaster.pid" already exists',
    "f: Resource temporarily unavailable",
)


def test_refusals_are_known_in_the_words_of_many_programs(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    echo = case.program("echo")
    for text in (*REFUSALS, "unlocked", "locks: none", "a lock"):
        echo(text)
    assert (tmp_path / "log").read_text().count("# locks: ") == len(REFUSALS)


def test_the_log_has_the_headings_that_the_case_prints(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    echo = case.program("/bin/echo")
    case.section(f"of {case.test_dir}/t.db")
    echo("one")
    case.section("Two", "major")
    echo("two")
    assert (tmp_path / "log").read_text() == (
        "== of TEST_DIR/t.db ==\n$ /bin/echo one\none\n[exit status 0]\n"
        "=== Two ===\n$ /bin/echo two\ntwo\n[exit status 0]\n"
    )


def test_the_table_of_locks_is_of_the_files_of_the_case(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    assert case.locks() == "nobody holds a lock\n"
    with Path(case.test_dir, "t.db").open("w") as file, (tmp_path / "elsewhere").open("w") as other:
        fcntl.flock(file, fcntl.LOCK_SH)
        fcntl.flock(other, fcntl.LOCK_EX)
        (line,) = case.holders(case.locks()).splitlines()
    assert line.startswith("t.db: all bytes, shared (flock): ")
    assert line.endswith(" (pid PID, holder)")


def test_what_a_case_prints_is_out_before_what_it_starts_says(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        "import os, subprocess\n"
        "def main(case):\n"
        "    print('== one ==')\n"
        "    subprocess.run(['echo', 'from echo'])\n"
        "    print('two')\n"
        "    os.kill(os.getpid(), 15)\n",
    )
    assert (done.returncode, done.stdout) == (-15, "== one ==\nfrom echo\ntwo\n")


def test_the_case_is_that_of_the_kit_of_the_suite(tmp_path: Path) -> None:
    text = "def main(case):\n    case.log(type(case).__name__)"
    assert run_script(tmp_path, text).stdout == "Case\n"
    assert run_script(tmp_path, text, kit="qemu").stdout == "QemuCase\n"
    done = run_script(tmp_path, text, kit="qmeu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path}/1.py: GOLDLOCK_KIT: no kit 'qmeu' (")


def test_a_case_without_a_kit_loads_none(tmp_path: Path) -> None:
    text = "import sys\ndef main(case):\n    case.log(str([m for m in sys.modules if 'kits' in m]))"
    assert run_script(tmp_path, text).stdout == "[]\n"
