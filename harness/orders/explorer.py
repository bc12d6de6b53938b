# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the orders that a search wants, several at the same time, and collect what comes of them."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

from goldlock.orders.effects import Step, program_of
from goldlock.orders.history import order_text
from goldlock.orders.jobs import Job, Search
from goldlock.orders.outcome import Outcome, Outcomes
from goldlock.orders.programs import Programs
from goldlock.orders.worker import Result, Worker


class ExploreError(Exception):
    """The orders cannot be run; str() says why in one line."""


class UnavailableHereError(ExploreError):
    """Kernel or sandbox does not allow it."""


class Found(NamedTuple):
    """What came of it.

    outcomes  each once, those with the shortest orders first
    runs      orders that were begun; whole: those of them that were run to their end
    diverged  a line for each replay that went another way
    cut       whether the time was up before all was run
    longest   how many steps each program had at most, by its letter
    """

    outcomes: Sequence[Outcome]
    runs: int
    whole: int
    diverged: Sequence[str]
    cut: bool
    longest: dict[str, int]


class Pool:
    """Some workers, and the folders that they work in."""

    def __init__(self, programs: Programs, template: Path, folder: Path, size: int) -> None:
        """Start them. Each order has a folder below *folder*."""
        self._new = partial(Worker, programs, template)
        self._folders = (folder / f"run{number}" for number in count())
        self._limit = programs.limit
        self._idle = [self._new(next(self._folders)) for _ in range(size)]
        self._busy: dict[object, Worker] = {}
        self.given_up = 0
        """How many orders did not come to their end in time."""

    def can_take(self) -> bool:
        """Return whether a worker has nothing to do."""
        return bool(self._idle)

    def is_busy(self) -> bool:
        """Return whether a worker has something to do."""
        return bool(self._busy)

    def give(self, job: Job) -> None:
        """Have a worker run an order."""
        worker = self._idle.pop()
        worker.connection.send(job)
        self._busy[worker.connection] = worker

    def results(self, end: float | None = None) -> Iterator[Result]:
        """Wait until a worker is done, and yield what came of it; raise ExploreError.

        An order that runs on for the limit of a program after *end*, a time of `time.monotonic`,
        is given up, and nothing is yielded.
        """
        limit = None if end is None else max(0, end + self._limit - time.monotonic())
        done = wait([worker.connection for worker in self._busy.values()], limit)
        if not done:
            self._give_up()
        for ready in done:
            worker = self._busy.pop(ready)
            try:
                result: Result = worker.connection.recv()
            except (EOFError, OSError):
                raise ExploreError("a process that runs orders was killed") from None
            self._idle.append(worker)
            if result.problem == "unavailable":
                raise UnavailableHereError(result.text)
            if result.problem == "broken":
                raise ExploreError(result.text)
            yield result

    def run(self, jobs: Iterable[Job], end: float | None = None) -> Iterator[Result]:
        """Run these orders, and yield what comes of each; raise ExploreError.

        None is begun any more at *end*, a time of `time.monotonic`.
        """
        left = list(jobs)
        while left or self.is_busy():
            if end is not None and time.monotonic() >= end:
                left.clear()
            while left and self.can_take():
                self.give(left.pop(0))
            if self.is_busy():
                yield from self.results(end)

    def _give_up(self) -> None:
        """End what runs, and have others in the place of those workers."""
        while self._busy:
            self._busy.popitem()[1].close()
            self.given_up += 1
            self._idle.append(self._new(next(self._folders)))

    def close(self) -> None:
        """End all that runs."""
        workers = (*self._idle, *self._busy.values())
        for worker in workers:  # first: those that were started later have this open, too
            worker.connection.close()
        for worker in workers:
            worker.close()


_PREFIX = "goldlock-orders-"
_MEMORY = Path("/dev/shm")


_OLD = 3600
"""Seconds after which a folder that nobody has locked is one that was left behind."""


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a scratch folder, in memory where that can be: programs wait for disks otherwise.

    What those have left there that were killed is removed.
    """
    memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    for left in memory.glob(f"{_PREFIX}*") if memory else ():
        with suppress(OSError), _locked(left, fcntl.LOCK_EX):
            found = left.lstat()
            if found.st_uid == os.getuid() and found.st_mtime < time.time() - _OLD:
                shutil.rmtree(left)
    made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=memory)
    with made as name, _locked(Path(name), fcntl.LOCK_SH):
        yield Path(name).resolve()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Have a lock on a folder; raise BlockingIOError when it is not to be had."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)  # anybody may make a FIFO
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


@contextmanager
def pool(programs: Programs, set_up: Callable[[Path], None], jobs: int) -> Iterator[Pool]:
    """Make a scratch folder, let *set_up* fill what each order begins with, and start workers."""
    with _scratch() as folder:
        template = folder / "setup"
        template.mkdir()
        set_up(template)
        workers = Pool(programs, template, folder, jobs)
        try:
            yield workers
        finally:
            workers.close()


def explore(
    workers: Pool,
    search: Search,
    budget: float | None = None,
    clean: Callable[[str], str] = str,
    progress: Callable[[int, int, int], None] = lambda _runs, _outcomes, _left: None,
) -> Found:
    """Run what a search wants, at most for *budget* seconds; *progress* is told after each order.

    *clean* is applied to outcomes. Raises ExploreError.
    """
    outcomes = Outcomes(clean)
    diverged: list[str] = []
    longest: dict[str, int] = {}
    runs = whole = 0
    end = None if budget is None else time.monotonic() + budget
    cut = False
    while True:
        while not cut and workers.can_take() and (job := search.next_job()):
            workers.give(job)
        if not workers.is_busy():
            break
        for result in workers.results(end):
            runs += 1
            if result.ran is None:
                diverged.append(result.text)
                search.lost(result.job)
                continue
            search.add(result.job, result.ran)
            if result.ran.end != "cut":
                whole += 1
                outcomes.add(result.text, result.ran.steps)
                _note_longest(longest, result.ran.steps)
            progress(runs, len(outcomes), search.left)
        cut = end is not None and time.monotonic() >= end
    cut = cut and (search.left > 0 or workers.given_up > 0)
    return Found(outcomes.sorted(), runs, whole, diverged, cut, longest)


def _note_longest(longest: dict[str, int], steps: Sequence[Step]) -> None:
    now: dict[str, int] = {}
    for step in steps:
        letter = program_of(step.actor)
        now[letter] = now.get(letter, 0) + 1
    for letter, number in now.items():
        longest[letter] = max(longest.get(letter, 0), number)


def replay(workers: Pool, order: Sequence[tuple[str, str]]) -> Result:
    """Run one order: actors and the words of their calls, "" for any; then as it comes."""
    (result,) = workers.run([Job(tuple(order))])
    return result


def confirm(
    workers: Pool, outcomes: Sequence[Outcome], clean: Callable[[str], str] = str
) -> tuple[list[Outcome], list[str]]:
    """Run the order of each outcome again, and that as it was run where the first leads elsewhere.

    Return the outcomes, each with the order that leads there, and a line for each that none does.
    """
    wrong = _wrong(workers, outcomes, clean)
    others = [each.as_run() for each in outcomes if each.text in wrong and each.ran != each.steps]
    still = _wrong(workers, others, clean)
    right = {each.text: each for each in others if each.text not in still}
    confirmed = sorted((right.get(each.text, each) for each in outcomes), key=Outcome.length)
    return confirmed, sorted(line for text, line in wrong.items() if text not in right)


def _wrong(
    workers: Pool, outcomes: Sequence[Outcome], clean: Callable[[str], str]
) -> dict[str, str]:
    """Run the order of each outcome; return, by its text, a line for each that it leads not to."""
    todo: dict[tuple[tuple[str, str], ...], list[Outcome]] = {}
    for each in outcomes:
        todo.setdefault(tuple((step.actor, step.call) for step in each.steps), []).append(each)
    wrong = {}
    for result in workers.run(map(Job, todo)):
        for expected in todo[result.job.prefix]:
            order = order_text(expected.actors)
            if result.ran is None:
                wrong[expected.text] = f"{order}: {result.text}"
            elif clean(result.text) != expected.text:
                wrong[expected.text] = (
                    f"{order}: another outcome when it is run again; "
                    "is there something in it that is not the same on each run?"
                )
    return wrong
