# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that cases leave, end, or wait for, though they are no children of theirs."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, RunTests, need_supervisor, quiet_environment
from tests.runner.test_stale_runs import has_ended

DAEMON = """\
sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $! >"$TEST_DIR/pid"'
pid=$(cat "$TEST_DIR/pid")
"""
MODES = pytest.mark.parametrize("mode", ["", "--trace-locks"], ids=["plain", "supervised"])


@MODES
def test_a_daemon_that_was_killed_is_gone_while_the_case_runs(
    run_tests: RunTests, suite: MakeSuite, mode: str
) -> None:
    """As PostgreSQL looks for who wrote its pid file."""
    if mode:
        need_supervisor()
    suite.case(
        "1", f"{DAEMON}kill $pid\nwhile kill -0 $pid 2>/dev/null; do :; done\necho gone", "gone\n"
    )
    done = run_tests("--suite", str(suite.root), "--time-limit", "20", *mode.split())
    assert done.returncode == 0, done.stdout


@MODES
def test_thousands_of_orphans_one_after_the_other_are_not_many(
    run_tests: RunTests, suite: MakeSuite, mode: str
) -> None:
    if mode:
        need_supervisor()
    orphan = "i=0; while [ $i -lt 2500 ]; do (true &); i=$((i + 1)); done; echo all"
    suite.case("1", orphan, "all\n")
    done = run_tests("--suite", str(suite.root), "--time-limit", "120", *mode.split())
    assert done.returncode == 0, done.stdout


def test_what_is_dying_was_not_left_behind(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "sleep 100 &\nkill $!\necho up", "up\n")
    suite.case("2", f"{DAEMON}kill $pid; echo up", "up\n")
    slow = "trap 'sleep 0.01; exit' TERM; echo >$TEST_DIR/ready; while :; do sleep 0.01; done"
    suite.case("3", f'({slow}) & while ! [ -e "$TEST_DIR/ready" ]; do :; done; kill $!', "")
    done = run_tests("--suite", str(suite.root), "--repeat", "20")
    assert "3 cases: 3 passed" in done.stdout, done.stdout


def test_what_is_not_dying_was_left_behind(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"{DAEMON}echo up", "up\n")
    done = run_tests("--suite", str(suite.root))
    assert "sleep 1000 (pid " in done.stdout
    assert "1 failed" in done.stdout


FIRST_THREAD_ENDS = """
import ctypes, os, sys, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
open("up", "w").close()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
"""


def test_what_outlives_its_first_thread_was_left_behind(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    """It is a zombie by what the kernel tells of it, and runs."""
    program = shlex.join([sys.executable, "-c", FIRST_THREAD_ENDS])
    wait = "while ! grep -q '^State:.Z' /proc/$!/status; do :; done"
    suite.case("1", f"{program} &\n{wait}\necho up", "up\n")
    done = run_tests("--suite", str(suite.root))
    assert re.search(r"leaked: .* \(pid \d+\)", done.stdout), done.stdout
    assert "1 failed" in done.stdout


def test_a_hang_is_reported_with_its_zombies(run_tests: RunTests, suite: MakeSuite) -> None:
    text = "import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(1000)\n"
    suite.case("1.py", text)
    done = run_tests("--suite", str(suite.root), "--time-limit", "10")
    assert re.search(r"\(pid \d+\), zombie", done.stdout), done.stdout


@pytest.fixture
def traced(tmp_path: Path) -> "subprocess.Popen[str]":
    """Return a process that traces the one whose pid it is told, and never waits for it.

    Nobody else is told of the end of that one then: it is what cannot be ended.
    """
    text = (
        "import ctypes, sys, time\n"
        "pid = int(open(sys.argv[1]).read())\n"
        "seize = ctypes.CDLL(None).ptrace(0x4206, pid, None, None)\n"
        "open(sys.argv[2], 'w').write(str(seize))\n"
        "sys.stdin.read()\n"
    )
    for name in ("pid", "ready"):
        os.mkfifo(tmp_path / name)
    return subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path / "pid"), str(tmp_path / "ready")],
        stdin=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ends", ["echo up", "sleep 1000"])
def test_a_process_that_cannot_be_ended_does_not_hold_up_the_run(
    run_tests: RunTests,
    suite: MakeSuite,
    tmp_path: Path,
    traced: "subprocess.Popen[str]",
    ends: str,
) -> None:
    wait = f"echo $pid >{tmp_path}/pid; read -r seized <{tmp_path}/ready; echo $seized"
    suite.case("1", f"{DAEMON}{wait}; {ends}", "0\nup\n")
    suite.case("2", "echo two", "two\n")
    began = time.monotonic()
    try:
        done = run_tests("--suite", str(suite.root), "-j1", "--time-limit", "10")
    finally:
        traced.communicate("")
    assert re.search(r"pid \d+, which cannot be killed \(zombie\) and goes on", done.stdout)
    assert "::2 PASSED" in done.stdout
    assert time.monotonic() < began + 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_of_a_terminal_ends_the_run(
    suite: MakeSuite, tmp_path: Path, number: signal.Signals
) -> None:
    os.mkfifo(tmp_path / "ready")
    suite.case("1", f"echo $$ >{tmp_path}/ready; exec sleep 1000", "")
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    case = int((tmp_path / "ready").read_text())
    os.killpg(runner.pid, number)
    said, _ = runner.communicate(timeout=120)
    assert runner.returncode == 130, said
    assert has_ended(case)
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_what_has_no_environment_is_found_after_its_worker_was_killed(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    daemon = "env -i /bin/sh -c 'cd /; exec sleep 1000' >/dev/null 2>&1 </dev/null &"
    suite.case("1", f"setsid {daemon}\necho $! >{tmp_path}/pid; kill -9 $PPID; sleep 1000", "")
    suite.case("2", "echo two", "two\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert "the process that ran it was killed" in done.stdout
    assert "::2 PASSED" in done.stdout
    assert has_ended(int((tmp_path / "pid").read_text())), done.stdout
