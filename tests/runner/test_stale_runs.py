# SPDX-License-Identifier: GPL-2.0-or-later
"""A runner that is killed: its workers clean up, or else the next run does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from goldlock.runner import stale_runs

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
    for process in (runner, *(workers if also else [])):
        process.send_signal(signal.SIGKILL)
    runner.wait()
    if not also:
        psutil.wait_procs(workers)
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
    (scratch,) = (tmp_path / name).iterdir()
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
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    for name in ("goldlock-link", "goldlock-pipe", "goldlock-other"):
        (tmp_path / name).mkdir()
    (tmp_path / "list").write_text(f"{precious}\n")
    (tmp_path / "goldlock-link" / "running").symlink_to(tmp_path / "list")
    os.mkfifo(tmp_path / "goldlock-pipe" / "running")
    (tmp_path / "goldlock-other" / "running").write_text(f"{precious}\n/\n.\n")
    (tmp_path / "goldlock-is-a-link").symlink_to(precious)
    (said,) = stale_runs.clear(tmp_path, "goldlock-")
    assert "goldlock-other" in said
    assert (precious / "file").exists()
    assert not (tmp_path / "goldlock-other").exists()
    assert (tmp_path / "goldlock-link").exists()


def test_folders_with_blanks_go_along(tmp_path: Path) -> None:
    sockets, bystander = tmp_path / "my socks" / "goldlock-x", tmp_path / "my"
    for folder in (sockets, bystander, tmp_path / "goldlock-run"):
        folder.mkdir(parents=True)
    file = stale_runs.mark(tmp_path / "goldlock-run", sockets)
    assert file
    assert stale_runs.clear(tmp_path, "goldlock-") == []  # it is in use
    file.close()
    stale_runs.clear(tmp_path, "goldlock-")
    assert not sockets.exists()
    assert bystander.exists()


def test_a_process_without_environment_is_ended_and_an_onlooker_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "goldlock-x"
    (folder / "1" / "test").mkdir(parents=True)
    (folder / "running").touch()
    sleep = ["/bin/sleep", "1000"]
    ours = subprocess.Popen(sleep, cwd=folder / "1" / "test", env={})
    onlooker = subprocess.Popen(sleep, cwd=folder / "1", env={"HOME": "/"})
    try:
        (said,) = stale_runs.clear(tmp_path, "goldlock-")
        assert f"ended /bin/sleep 1000 (pid {ours.pid})" in said
        assert ours.wait(timeout=60) == -signal.SIGKILL
        assert onlooker.poll() is None
    finally:
        for process in (ours, onlooker):
            process.kill()
            process.wait()
