# SPDX-License-Identifier: GPL-2.0-or-later
"""A runner that is killed: its workers clean up, or else the next run does."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from goldlock.inspect.processes import wait_for_exit
from goldlock.runner import stale_runs
from goldlock.runner.stale_runs import mark_of

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment


def killed_run(suite: MakeSuite, tmp_path: Path, variables: dict[str, str], *, also: bool) -> int:
    """Kill a runner in the midst of a case, and with *also* its workers; return a pid of the case.

    The case has a daemon that holds a lock.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    daemon = f"exec 9>$TEST_DIR/image; flock 9; echo $$ >{fifo}; exec sleep 1000"
    case = suite.case("1", f"setsid sh -c '{daemon}' &\nsleep 1000", golden="")
    runner = psutil.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={**quiet_environment(), **variables},
        stdout=subprocess.DEVNULL,
    )
    daemon_pid = int(fifo.read_text())
    workers = [
        each for each in runner.children(recursive=True) if "run_tests" in str(each.cmdline())
    ]
    assert workers
    killed = (runner, *(workers if also else []))
    for number in (signal.SIGSTOP, signal.SIGKILL):  # else a worker may see its runner's end first
        for process in killed:
            process.send_signal(number)
    runner.wait()
    if not also:
        for worker in workers:  # of which nobody may take note, in a container
            wait_for_exit(worker.pid)
    case.write_text("#!/bin/sh\n")
    return daemon_pid


def has_ended(pid: int) -> bool:
    """Tell whether a process has ended, be it that its new parent has not reaped it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_workers_outlive_the_runner_to_end_their_cases(suite: MakeSuite, tmp_path: Path) -> None:
    variables = {"TEST_DIR": str(tmp_path / "scratch")}
    assert has_ended(killed_run(suite, tmp_path, variables, also=False))
    assert [*(tmp_path / "scratch").glob("*/1")] == []


@pytest.mark.parametrize("name", ["scratch", "with blank"])
def test_the_next_run_clears_what_is_left(
    suite: MakeSuite, run_tests: RunTests, tmp_path: Path, name: str
) -> None:
    variables = {"TEST_DIR": str(tmp_path / name)}
    daemon = killed_run(suite, tmp_path, variables, also=True)
    assert not has_ended(daemon)
    (scratch,) = (tmp_path / name).glob("goldlock-*")
    done = run_tests("--suite", str(suite.root), **variables)
    assert done.returncode == 0, done.stdout
    assert f"cleared {scratch}, which a killed run left; ended " in done.stdout
    assert f"sleep 1000 (pid {daemon}), holding all of image" in done.stdout
    assert has_ended(daemon)
    assert [*(tmp_path / name).iterdir()] == []


def test_a_run_leaves_those_alone_that_still_go_on(
    suite: MakeSuite, run_tests: RunTests, tmp_path: Path
) -> None:
    """The inner run of another suite, in the same TEST_DIR, finds the outer one at work."""
    inner = MakeSuite(tmp_path / "inner")
    inner.case("2", "echo two", golden="two\n")
    command = f"{sys.executable} {ROOT}/run_tests.py --suite {inner.root}"
    suite.case(
        "1",
        f"TEST_DIR={tmp_path}/scratch {command} | grep -c cleared\n"
        "cd $TEST_DIR && echo still there\n",
        golden="0\nstill there\n",
    )
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_a_worker_that_is_killed_fails_its_case_only(suite: MakeSuite, run_tests: RunTests) -> None:
    suite.case("1", "kill -9 $PPID\nexec sleep 1000", golden="")
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j", "1")
    assert done.returncode == 1
    assert f"{suite.root}/cases/1: the process that ran it was killed" in done.stdout
    assert "2 cases: 1 passed, 1 failed" in done.stdout


def test_only_what_is_ours_is_cleared(tmp_path: Path) -> None:
    """Anybody may write to /tmp: a mark that is a link, a pipe, or names other folders."""
    precious, foreign = tmp_path / "precious", tmp_path / "goldlock-precious"
    link, pipe, other, unmarked = (tmp_path / f"goldlock-{number:013}" for number in range(4))
    for folder in (precious, foreign, link, pipe, other, unmarked):
        folder.mkdir()
        (folder / "file").touch()
    (tmp_path / "list").write_bytes(b"made")
    mark_of(link).symlink_to(tmp_path / "list")
    os.mkfifo(mark_of(pipe))
    mark_of(foreign).write_bytes(b"made")
    named = (f"{precious}", "/", ".", f"{foreign}", f"{unmarked}/../precious", unmarked.name)
    mark_of(other).write_bytes(b"\0".join([*(os.fsencode(each) for each in named), b"made"]))
    (said,) = stale_runs.clear(tmp_path)
    assert said.startswith(f"cleared {other}, ")
    assert not other.exists()
    for folder in (precious, foreign, link, pipe, unmarked):
        assert (folder / "file").exists()


def test_directories_that_were_not_all_made_are_removed_only_if_empty(tmp_path: Path) -> None:
    """Somebody else may have made the other one meanwhile: it is more than unlikely."""
    ours, foreign = (tmp_path / f"goldlock-{number:013}" for number in range(2))
    ours.mkdir()
    foreign.mkdir()
    (foreign / "file").touch()
    mark_of(ours).write_bytes(os.fsencode(foreign) + b"\0")
    assert stale_runs.clear(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {foreign.name}


KILLED_AT_EACH_STEP = """
import os, signal, sys
from goldlock.runner.scratch import Scratch

base, sockets, temporary = sys.argv[1:]
environ = {"TEST_DIR": base, "SOCK_DIR": sockets}
Scratch(environ).close()  # all is loaded
step, ended = 0, False
while not ended:
    step += 1
    pid = os.fork()
    if pid == 0:
        left = iter(range(step))
        def count(event, _):
            if event.startswith(("open", "os.", "fcntl.")) and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        Scratch(environ).close()
        os._exit(0)
    ended = os.waitpid(pid, 0)[1] == 0
    Scratch(environ).close()
    for folder in (base, sockets, temporary):
        if found := os.listdir(folder):
            sys.exit(f"killed before step {step}: {found} in {folder}")
print(step)
"""


def test_a_kill_at_each_step_leaves_nothing_after_the_next_run(tmp_path: Path) -> None:
    """From before its scratch directory is made until after it was removed."""
    base, sockets = tmp_path / "with blank", tmp_path / "sockets"
    base.mkdir()
    sockets.mkdir()
    short = tempfile.mkdtemp(prefix="", dir=quiet_environment()["TMPDIR"])  # for the link to base
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP, base, sockets, short],
        env={"PYTHONPATH": str(ROOT / ".import"), "TMPDIR": short},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_folders_with_blanks_go_along(tmp_path: Path) -> None:
    run, sockets = tmp_path / f"goldlock-{1:013}", tmp_path / "my socks" / f"goldlock-{2:013}"
    (tmp_path / "my socks").mkdir()
    (tmp_path / "my").mkdir()
    made = stale_runs.MarkedDirectories(run, sockets)
    assert stale_runs.clear(tmp_path) == []  # it is in use
    del made  # its file is closed
    stale_runs.clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"my", "my socks"}
    assert not sockets.exists()


def test_a_process_without_environment_is_ended_and_an_onlooker_is_not(tmp_path: Path) -> None:
    folder = tmp_path / f"goldlock-{0:013}"
    (folder / "1" / "test").mkdir(parents=True)
    mark_of(folder).write_bytes(b"made")
    sleep = ["/bin/sleep", "1000"]
    ours = subprocess.Popen(sleep, cwd=folder / "1" / "test", env={})
    onlooker = subprocess.Popen(sleep, cwd=folder / "1", env={"HOME": "/"})
    try:
        (said,) = stale_runs.clear(tmp_path)
        assert f"ended /bin/sleep 1000 (pid {ours.pid})" in said
        assert ours.wait(timeout=60) == -signal.SIGKILL
        assert onlooker.poll() is None
    finally:
        for process in (ours, onlooker):
            process.kill()
            process.wait()
