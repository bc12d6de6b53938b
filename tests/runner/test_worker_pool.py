# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers that do not answer: the case of one fails, and nothing waits for it."""

import errno
import os
import signal
from pathlib import Path

import pytest
from goldlock.runner.jobs import Jobs
from goldlock.runner.leaked_files import LeakDetector
from goldlock.runner.scheduler import Scheduler
from goldlock.runner.worker_pool import ForkServer, Worker
from goldlock.settings import Settings
from goldlock.suite.cases import Case, read_suite

from tests.conftest import MakeSuite, RunTests
from tests.runner.test_stale_runs import has_ended


@pytest.fixture
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker taken for stuck as soon as its case's time is over."""
    monkeypatch.setattr("goldlock.runner.crew.GRACE", 0.0)
    monkeypatch.setattr("goldlock.runner.worker_slot.GRACE", 0.0)
    monkeypatch.setattr("goldlock.runner.crew.WORKER_GRACE", 1.0)


def start_and_stop_worker(suite: MakeSuite, folder: Path) -> tuple[Scheduler, Case, list[int]]:
    """Start a case that stops its worker; return it, and both processes, once that is done."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    suite.case("1", f"kill -STOP $PPID; echo $PPID $$ >{fifo}; exec sleep 1000", golden="")
    scheduler = Scheduler(
        Settings(time_limit=1000), {**os.environ, "TEST_DIR": str(folder / "scratch")}
    )
    (case,) = read_suite(suite.root).cases
    scheduler.start([case])
    return scheduler, case, [int(pid) for pid in fifo.read_text().split()]


@pytest.mark.usefixtures("no_slack")
def test_a_worker_that_is_stopped_fails_its_case_only(suite: MakeSuite, tmp_path: Path) -> None:
    family = tmp_path / "family"
    stop = f"kill -STOP $PPID; sleep 1000 & echo $PPID $$ $! >{family}; wait"
    suite.case("1", f"#!/bin/sh\n# timeout: 2\n{stop}\n", golden="")
    suite.case("2", "echo two", golden="two\n")
    scheduler = Scheduler(Settings(jobs=1), {**os.environ, "TEST_DIR": str(tmp_path / "scratch")})
    one, two = read_suite(suite.root).cases
    problems = scheduler.result(one).problems
    worker, *others = map(int, family.read_text().split())
    assert problems == [
        f"{one.path}: the process that ran it (pid {worker}) was stopped and did not answer;"
        " it was killed"
    ]
    assert all(map(has_ended, (worker, *others)))
    assert scheduler.result(two).problems == []
    scheduler.close()
    assert [*(tmp_path / "scratch").iterdir()] == []


@pytest.mark.usefixtures("no_slack")
def test_an_interrupted_run_does_not_wait_for_a_worker_that_is_stopped(
    suite: MakeSuite, tmp_path: Path
) -> None:
    scheduler, case, family = start_and_stop_worker(suite, tmp_path)
    scheduler.interrupt()
    with pytest.raises(KeyboardInterrupt):
        scheduler.result(case)
    scheduler.close()
    assert all(map(has_ended, family))
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_whoever_interrupts_twice_does_not_wait_at_all(
    suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldlock.runner.crew.WORKER_GRACE", 10_000.0)
    scheduler, _, family = start_and_stop_worker(suite, tmp_path)
    scheduler.interrupt()
    scheduler.interrupt()
    scheduler.close()
    assert all(map(has_ended, family))
    assert [*(tmp_path / "scratch").iterdir()] == []


@pytest.mark.usefixtures("no_slack")
def test_a_process_that_forks_workers_may_be_stopped_too(suite: MakeSuite, tmp_path: Path) -> None:
    """Nothing is left of it, nor of the worker, which has done as it was told."""
    suite.case("1", "cut -d' ' -f4 /proc/$PPID/stat", golden="")
    scheduler = Scheduler(Settings(keep=True), {**os.environ, "TEST_DIR": str(tmp_path)})
    (case,) = read_suite(suite.root).cases
    kept = Path(scheduler.result(case).kept)
    assert kept.name
    nursery = int((kept / "output").read_text())
    os.kill(nursery, signal.SIGSTOP)
    scheduler.close()
    assert has_ended(nursery)


def test_the_case_behind_one_whose_worker_is_killed_runs_once(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """A quick worker has the next case already; that is not lost, and not run again."""
    for number in range(1, 9):
        kill = "kill -9 $PPID; " if number == 5 else ""
        suite.case(str(number), f"echo {number} >>{tmp_path}/ran; {kill}echo hi", golden="hi\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert "8 cases: 7 passed, 1 failed" in done.stdout
    assert "5: the process that ran it was killed" in done.stdout
    assert (tmp_path / "ran").read_text().split() == [*"12345678"]


def test_what_goes_wrong_in_a_thread_is_told_to_whoever_waits(
    suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(LeakDetector, "look", fail)
    suite.case("1", "echo one", golden="one\n")
    scheduler = Scheduler(Settings(), {**os.environ, "TEST_DIR": str(tmp_path / "scratch")})
    (case,) = read_suite(suite.root).cases
    with pytest.raises(LookupError, match="a bug of ours"):
        scheduler.result(case)
    scheduler.close()
    assert [*(tmp_path / "scratch").iterdir()] == []


def all_problems(suite: MakeSuite, folder: Path, jobs: int) -> list[str]:
    """Run twenty more cases, which pass; return what was wrong all the same."""
    for number in range(2, 22):
        suite.case(str(number), f"echo {number}", golden=f"{number}\n")
    scheduler = Scheduler(Settings(jobs=jobs), {**os.environ, "TEST_DIR": str(folder / "scratch")})
    found = read_suite(suite.root).cases
    try:
        scheduler.start(found)
        return [each for case in found for each in scheduler.result(case).problems]
    finally:
        scheduler.close()
        assert scheduler.unclean == []


def have_workers(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Have no more workers made than *most*, as where descriptors are short."""
    real, made = ForkServer.worker, list[Worker]()

    def worker(self: ForkServer) -> Worker:
        if len(made) == most:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(real(self))
        return made[-1]

    monkeypatch.setattr(ForkServer, "worker", worker)


def test_one_more_worker_that_cannot_be_had_is_not_missed(
    suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adapt(self: Jobs) -> bool:
        self.limit += 1
        return True

    monkeypatch.setattr(Jobs, "adapt", adapt)
    have_workers(monkeypatch, 1)
    assert all_problems(suite, tmp_path, jobs=1) == []


def test_nor_is_another_for_one_that_was_killed(
    suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_workers(monkeypatch, 2)
    suite.case("1", "kill -9 $PPID", golden="")
    (problem,) = all_problems(suite, tmp_path, jobs=2)
    assert "1: the process that ran it was killed" in problem


@pytest.mark.parametrize("refused", [1, 2])
def test_a_case_that_no_process_comes_for_is_left_to_others(
    suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    real, here, calls = os.fork, os.getpid(), 0

    def fork() -> int:
        nonlocal calls
        if os.getpid() != here:  # it is the one that forks workers, or one of them
            calls += 1
            if calls == refused:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real()

    monkeypatch.setattr(os, "fork", fork)
    assert all_problems(suite, tmp_path, jobs=2) == []
