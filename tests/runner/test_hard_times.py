# SPDX-License-Identifier: GPL-2.0-or-later
"""What may go wrong around a case: it fails with the right words, and no golden is harmed.

The other case passes. The names of these tests are the lines of the table in the README.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from goldlock.runner.mounts import clear

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment
from tests.runner.test_mounts import mounting_is_allowed

GOLDEN = "what it should be\n"


@pytest.fixture
def beside(suite: MakeSuite) -> MakeSuite:
    """A suite with a case 1 to go wrong, with a golden, and a case 2 that passes."""
    suite.case("2", "echo two", golden="two\n")
    (suite.root / "expected" / "1.out").write_text(GOLDEN)
    return suite


def check(beside: MakeSuite, done: "subprocess.CompletedProcess[str]", said: str) -> None:
    """Check that case 1 failed with what is to be *said*, that 2 passed, and the golden."""
    assert done.returncode == 1, done.stdout
    assert said in done.stdout
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert "Traceback" not in done.stdout
    assert (beside.root / "expected" / "1.out").read_text() == GOLDEN


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 200 kB."""
    if not mounting_is_allowed(tmp_path / "try"):
        pytest.skip("needs the right to mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "goldlock", folder], check=True)
    yield folder
    clear(folder.parent)


def test_the_disk_is_full_when_output_is_written(
    run_tests: RunTests, beside: MakeSuite, small_disk: Path
) -> None:
    beside.case("1", "yes | head -c 1000000")
    done = run_tests("--suite", str(beside.root), "-j1", TEST_DIR=str(small_disk))
    # A case that was kept has filled the disk: 2 may find no room for its directories.
    assert done.returncode == 1
    assert "its output cannot be kept: No space left on device; TEST_DIR can" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_disk_is_full_when_a_golden_is_written(
    run_tests: RunTests, suite: MakeSuite, small_disk: Path
) -> None:
    suite.case("1", "yes | head -c 300000")
    (suite.root / "expected").rmdir()
    (small_disk / "expected").mkdir()
    (suite.root / "expected").symlink_to(small_disk / "expected")
    (suite.root / "expected" / "1.out").write_text(GOLDEN)
    done = run_tests("--suite", str(suite.root), "--update")
    assert done.returncode == 1
    assert "No space left on device; the golden is as it was" in done.stdout
    assert [each.name for each in (small_disk / "expected").iterdir()] == ["1.out"]
    assert (suite.root / "expected" / "1.out").read_text() == GOLDEN


def test_test_dir_is_removed_by_its_case(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", 'rm -r "$TEST_DIR"; echo gone')
    check(beside, run_tests("--suite", str(beside.root)), "+        gone\n")


def test_all_of_the_scratch_directory_is_removed(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", 'rm -r "$TEST_DIR/../.."; echo gone')
    check(beside, run_tests("--suite", str(beside.root), "-j1"), "+        gone\n")


def test_expected_is_read_only(run_tests: RunTests, beside: MakeSuite, tmp_path: Path) -> None:
    if not mounting_is_allowed(tmp_path / "try"):  # to the superuser, no mode is read-only
        pytest.skip("needs the right to mount")
    beside.case("1", "echo new")
    expected = beside.root / "expected"
    subprocess.run(["mount", "--bind", expected, expected], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", expected], check=True)
    try:
        done = run_tests("--suite", str(beside.root), "--update")
    finally:
        clear(beside.root)
    check(beside, done, f"{expected}/1.out: Read-only file system; the golden is as it was")


def test_a_case_prints_a_gigabyte(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", "yes | head -c 1000000000")
    done = run_tests("--suite", str(beside.root))
    check(beside, done, "it printed more than 256 MiB, and was ended")


def test_a_case_closes_its_output(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", "exec >&- 2>&-\nsleep 0.1")
    check(beside, run_tests("--suite", str(beside.root)), "1 of 1 section not as in")


BOMB = """
more() {
    [ "$1" = 0 ] && exec sleep 1000
    more $(($1 - 1)) & more $(($1 - 1)) & wait
}
more 11 2>/dev/null
"""
"""4095 processes: more than a case may have, and not all that the machine has for other tests."""


def test_a_case_forks_and_forks(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", BOMB)
    done = run_tests("--suite", str(beside.root), "--time-limit", "100")
    check(beside, done, "it had 1500 processes, and was ended")


def test_a_case_has_forked_before_anybody_looks(tmp_path: Path) -> None:
    """As on a busy machine: what is there at the first look is the case's all the same.

    With another limit: a container may have no room for that many that nobody ends. How many the
    machine has is said to be the same all the while, whatever other tests start.
    """
    os.mkfifo(tmp_path / "forked")
    told = "{ echo >$TOP/forked; exec sleep 1000; }"
    bomb = BOMB.replace("exec sleep 1000", told).replace("more 11", "more 5")
    (tmp_path / "case").write_text(f"#!/bin/sh{bomb}")
    (tmp_path / "case").chmod(0o755)
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT / ".import")!r})
from pathlib import Path
from goldlock.runner import process
from goldlock.runner.spawn import spawn

def late(*how):
    pid, forked, seen = spawn(*how), os.open(here / "forked", os.O_RDWR), 0
    while seen < 32:
        seen += len(os.read(forked, 32 - seen))
    return pid

here = Path.cwd()
interrupt, _ = os.pipe()
environ = {{**os.environ, "TOP": str(here)}}
process.PROCESS_LIMIT, process._LOOK_ALL, process._tasks = 30, 0.5, lambda: 5000
print(process.execute(["./case"], environ, here, here / "output", 60, interrupt, late).stopped)
"""
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("it had 30 processes, and was ended\n", "")


def test_a_case_changes_its_directory(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", "cd /\nrmdir $TEST_DIR\npwd")
    check(beside, run_tests("--suite", str(beside.root)), "+        /\n")


def test_a_case_ignores_sigterm(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", "# timeout: 0.5\ntrap '' TERM HUP INT\nsleep 1000")
    done = run_tests("--suite", str(beside.root))
    check(beside, done, "time limit: the case was still running after 0.5 s")


def test_a_case_sends_escape_codes(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", r"printf '\033[2J\033]0;title\007\r\b'")
    done = run_tests("--suite", str(beside.root))
    check(beside, done, r"\x1b[2J\x1b]0;title\x07\r\x08")
    assert "\x1b" not in done.stdout


def test_a_case_emits_nul_bytes(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", r"printf '\000a\377\000'")
    check(beside, run_tests("--suite", str(beside.root)), r"\x00a\xff\x00")


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize("kind", ["mkfifo", "ln -s /dev/zero", "mkdir"])
def test_a_case_puts_something_else_in_the_place_of_its_files(
    run_tests: RunTests, beside: MakeSuite, tmp_path: Path, kind: str
) -> None:
    """Whoever reads one of them would wait without end, or see no end of it."""
    names = "log output failure-report locks stack-dump"
    beside.case("1", f"cd ..\nfor f in {names}; do rm -f $f; {kind} $f; done\necho a; exit 1")
    report = tmp_path / "report"
    options = ("-d", "--trace-locks", "--json-lines", str(report))
    done = run_tests("--suite", str(beside.root), *options)
    check(beside, done, "exit status 1: the case did not come to its end")
    assert "+        a\n" in done.stdout


def test_a_case_is_not_executable(run_tests: RunTests, beside: MakeSuite) -> None:
    path = beside.case("1", "echo one")
    path.chmod(0o644)
    check(beside, run_tests("--suite", str(beside.root)), f"{path}: not executable; chmod +x it")


def test_a_background_process_keeps_the_output_open(run_tests: RunTests, beside: MakeSuite) -> None:
    """And it is not waited for: this would take far longer than any limit."""
    beside.case("1", "sleep 1000 &\necho hi")
    done = run_tests("--suite", str(beside.root), "--time-limit", "500")
    check(beside, done, "leaked: sleep 1000 (pid ")


def test_two_runs_at_the_same_time(beside: MakeSuite, tmp_path: Path) -> None:
    """The case of each run waits until that of the other has started."""
    for name in "ab":
        os.mkfifo(tmp_path / name)
    beside.case(
        "1",
        f"""if mkdir {tmp_path}/first 2>/dev/null
        then echo >{tmp_path}/a; read -r line <{tmp_path}/b
        else read -r line <{tmp_path}/a; echo >{tmp_path}/b
        fi; echo what it should be""",
    )
    runs = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(beside.root)],
            env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        said, _ = run.communicate()
        assert run.returncode == 0, said
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_the_memory_of_durations_is_damaged(run_tests: RunTests, beside: MakeSuite) -> None:
    beside.case("1", "echo one")
    cache = beside.root / ".pytest_cache" / "d" / "goldlock" / "history"
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"\xff\x00{")
    check(beside, run_tests("--suite", str(beside.root), "-j2"), "+        one\n")


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_no_process_can_be_waited_for(beside: MakeSuite, tmp_path: Path, error: str) -> None:
    """As on Linux before 5.3, and in sandboxes that do not know of it."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    refuse = ["-e", "trace=pidfd_open", "-e", f"inject=pidfd_open:error={error}"]
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, *refuse),
            *(sys.executable, str(ROOT / "run_tests.py"), "--suite", str(beside.root)),
        ],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.startswith("run_tests.py: pidfd_open(2) is refused here: ")
    assert done.stdout.count("\n") == 1
