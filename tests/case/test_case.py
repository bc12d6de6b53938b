# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case script can do, and what its runner sees of it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.environment import Environment

from tests.case.test_machine import make_case
from tests.conftest import ROOT

Capture = pytest.CaptureFixture[bytes]


def run_script(tmp_path: Path, text: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    script = tmp_path / "1.py"
    script.write_text(f"from goldlock.case.case import Case, run\n{text}\nrun(story)\n")
    (tmp_path / "test").mkdir()
    environment = Environment("1", str(tmp_path / "test"), str(tmp_path), **variables)
    return subprocess.run(
        [sys.executable, str(script)],
        env={**environment.to_environ(), "PYTHONPATH": str(ROOT / ".import")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_record_goes_through_the_environment_and_back() -> None:
    record = Environment("1", "/t", "/s", imgfmt="raw", qemu_options="-a 'b c'")
    assert Environment.from_environ(record.to_environ()) == record
    assert record.options("qemu") == ["-a", "b c"]


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
    assert "GOLDLOCK_CASE is not set: cases are started by run_tests.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_exit_statuses(tmp_path: Path) -> None:
    done = run_script(tmp_path, "def story(case):\n    case.not_run('no moon')")
    assert (done.returncode, done.stdout, done.stderr) == (77, "no moon\n", "")


def test_an_error_names_the_line_of_the_script(tmp_path: Path) -> None:
    text = "def helper(case):\n    case.qemu_io('x')\ndef story(case):\n    helper(case)"
    done = run_script(tmp_path, text)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/1.py:3: qemu-io is not installed; ")
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
    options = f'-c "{script}"'
    case = make_case(tmp_path, qemu_img_prog=sys.executable, qemu_img_options=options)
    done = case.qemu_img(stdin="hello")
    assert (done.status, done.stdout) == (1, "hello!")
    assert done.text == done.stdout + done.stderr


def test_a_program_that_does_not_read_its_input_is_no_error(tmp_path: Path) -> None:
    case = make_case(tmp_path, qemu_img_prog="/bin/true")
    assert case.qemu_img(stdin="x" * 1_000_000).status == 0


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    """The fifo is opened for reading only after the program came back."""
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", fifo], check=True)
    case = make_case(tmp_path, qemu_nbd_prog="/bin/sh")
    assert case.qemu_nbd("-c", f"(echo done > {fifo}) & echo started").stdout == "started\n"
    assert fifo.read_text() == "done\n"


def test_what_is_echoed_is_the_command_of_the_case(tmp_path: Path) -> None:
    case = make_case(tmp_path, qemu_io_prog="/usr/bin/qemu-io", qemu_io_options="-f qcow2")
    assert case.qemu_io.echo("-c", "open  x", "") == "_qemu_io_wrapper -c open  x "
    assert case.qemu_io.argv("x") == ["/usr/bin/qemu-io", "-f", "qcow2", "x"]


def test_output_is_logged_with_line_ends_and_without_empty_texts(
    tmp_path: Path, capfdbinary: Capture
) -> None:
    case = make_case(tmp_path)
    case.log("one")
    case.log("two\n")
    case.log()
    case.log("", case.paths)
    case.log("bytes \udcff and ü")
    case.section(f"in {case.test_dir}")
    out, _ = capfdbinary.readouterr()
    assert out == b"one\ntwo\n\nbytes \xff and \xc3\xbc\n\n== in TEST_DIR ==\n"


def test_the_log_notes_who_holds_what_where_a_lock_is_refused(tmp_path: Path) -> None:
    """The whole table once, then only that it has not changed, or that nothing is locked."""
    program = tmp_path / "program"
    program.write_text("echo 'Failed to get shared \"write\" lock' >&2\n")
    case = make_case(tmp_path, qemu_img_prog="/bin/sh", qemu_img_options=str(program))
    with Path(case.image).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        case.qemu_img()
        case.qemu_img()
    case.qemu_img()
    log = (tmp_path / "log").read_text()
    notes = [line for line in log.splitlines() if line.startswith(("#", "t.qcow2"))]
    assert notes[0] == "# locks:"
    assert notes[1].startswith("t.qcow2: all bytes, exclusive (flock): ")
    assert notes[1].endswith(f" (pid {os.getpid()}, holder)")
    assert notes[2:] == ["# locks: as before", "# locks: none"]


def test_the_log_has_the_headings_that_the_case_prints(tmp_path: Path) -> None:
    case = make_case(tmp_path, qemu_img_prog="/bin/echo")
    case.section(f"of {case.image}")
    case.qemu_img("one")
    case.log("\n=== Two ===\n\n")
    case.qemu_img("two")
    assert (tmp_path / "log").read_text() == (
        "== of TEST_DIR/t.qcow2 ==\n$ /bin/echo one\none\n[exit status 0]\n"
        "=== Two ===\n$ /bin/echo two\ntwo\n[exit status 0]\n"
    )


def test_the_table_of_locks_is_of_the_files_of_the_case(tmp_path: Path) -> None:
    case = make_case(tmp_path, qemu_prog="/usr/bin/none")
    assert case.locks() == ""
    with Path(case.image).open("w") as file, (tmp_path / "elsewhere").open("w") as other:
        fcntl.flock(file, fcntl.LOCK_SH)
        fcntl.flock(other, fcntl.LOCK_EX)
        (line,) = case.holders(case.locks()).splitlines()
    assert line.startswith("t.qcow2: all bytes, shared (flock): ")
    assert line.endswith(" (pid PID, holder)")


def test_what_a_case_prints_is_out_before_what_it_starts_says(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        "import os, subprocess\n"
        "def story(case):\n"
        "    print('== one ==')\n"
        "    subprocess.run(['echo', 'from echo'])\n"
        "    print('two')\n"
        "    os.kill(os.getpid(), 15)\n",
    )
    assert (done.returncode, done.stdout) == (-15, "== one ==\nfrom echo\ntwo\n")
