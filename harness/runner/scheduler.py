# SPDX-License-Identifier: GPL-2.0-or-later
"""Run cases ahead of those who judge them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING

from goldlock.errors import UsageError
from goldlock.result import CaseResult
from goldlock.runner.case_queue import Line
from goldlock.runner.case_run import Runner
from goldlock.runner.cpu_pressure import BUSY, IDLE, Gauge, processors
from goldlock.runner.history import rounds, runs_of_each
from goldlock.runner.leaked_files import LeakDetector, LeakedFile
from goldlock.runner.mounts import remove_tree
from goldlock.runner.process import GRACE
from goldlock.runner.run_context import RunContext
from goldlock.runner.run_stats import Tally
from goldlock.runner.worker_pool import Nursery, Worker, WorkerDied
from goldlock.runner.worker_slot import Hand, broken, lost, not_started
from goldlock.settings import Settings
from goldlock.suite.cases import Case

if TYPE_CHECKING:
    from goldlock.runner.stress import BusyProcessors

MOST = 4
"""Jobs for each processor, at most, where the number is to be found out."""

SLACK = 30.0
"""Seconds that a worker has to clean up after a case and to judge it, before it is called stuck."""


class Ahead:
    """Runs cases ahead of those who ask for them, in as many workers as there are jobs.

    Each worker has a thread here that waits for it. A case that is ``exclusive`` waits for
    others of that name, and holds up no other; for those of other runs its worker waits, too.
    Any thread may ask; what is not there yet, the scratch directory and the workers, is made
    when it is first needed.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], context: RunContext | None = None
    ) -> None:
        self.settings = settings
        self._environ = environ
        self._change = Condition()
        self._context = context
        self._nursery: Nursery | None = None
        self._line = Line()
        self._tallies: dict[Path, Tally] = {}
        self._leaks = LeakDetector()
        self._threads: set[Thread] = set()
        self._hands: set[Hand] = set()
        self._lost_workers = 0
        self._busy: BusyProcessors | None = None
        self._stopped = self._in_a_hurry = False
        self._cut_off: list[Path] = []
        self._error: BaseException | None = None
        self._kept: set[Path] = set()
        self._limit = settings.jobs or processors()
        self._gauge = Gauge()

    @property
    def context(self) -> RunContext:
        """The scratch directory, and the programs; raises UsageError when it cannot be made."""
        with self._change:
            self._context = self._context or RunContext(self.settings, self._environ)
            return self._context

    def running(self) -> list[str]:
        """Return the numbers of the cases that run right now, or wait for another run."""
        with self._change:
            waiting = {hand.cases[-1].path for hand in self._hands if hand.waits}
            said = " (waits for another run)"
            return [f"{_number(path)}{said * (path in waiting)}" for path in self._line.running()]

    def start(self, cases: Iterable[Case]) -> None:
        """Run *cases*, in this order; those that were started already go on as they are."""
        with self._change:
            new = [case for case in cases if case.path not in self._tallies]
            if new:
                self._be_busy()
                for root in {case.root for case in new}:
                    self._leaks.add(root)
                wanted = runs_of_each(self.settings)
                self._tallies.update((case.path, Tally(wanted)) for case in new)
                self._line.add(rounds(new, self.settings))
                self._hire()

    def result(self, case: Case) -> CaseResult:
        """Return what came of a case; run it now if it was not started ahead.

        Raises UsageError when there are no programs to run it with, and KeyboardInterrupt
        after `interrupt`.
        """
        self.start([case])
        with self._change:
            tally = self._tallies[case.path]
            self._change.wait_for(lambda: self._error or self._is_done(case.path, tally))
            if self._error:
                raise self._error
            del self._tallies[case.path]
        if not tally.shown:
            return not_started(case)
        if self.settings.hunts and tally.passed and not tally.failed:
            self._drop(tally.passed)  # there is no failure to hold it beside
        return tally.result()

    def leaked(self) -> list[LeakedFile]:
        """Return the files that turned up where they should not, each with the cases that ran."""
        with self._change:
            return self._leaks.leaked()

    def unfinished(self) -> list[str]:
        """Return in words what nobody has asked for: cases that were cut off, or did not start."""
        said, left = [], self._tallies
        if cut := sorted(_number(path) for path in self._cut_off if path in left):
            said.append(f"{' '.join(cut)} cut off")
        for path, tally in left.items():
            if tally.runs and tally.wanted > 1:
                said.append(f"{_number(path)} failed in {tally.failed} of {tally.runs} runs")
        if rest := sum(not tally.runs for path, tally in left.items() if path not in self._cut_off):
            said.append(f"{rest} not started")
        return said

    def interrupt(self) -> None:
        """End what runs and what would; `result` raises KeyboardInterrupt from now on.

        Asked for a second time, `close` does not wait until that is done.
        """
        self._in_a_hurry = isinstance(self._error, KeyboardInterrupt)
        self._end()

    def _end(self) -> None:
        if not self._error:
            self._error = KeyboardInterrupt()
            self._cut_off = self._line.running()
        if self._context:
            self._context.interrupt()
        for hand in [*self._hands]:
            hand.worker.stop()

    def close(self) -> None:
        """Cancel what has not started, end what runs, and clean up. Once is enough."""
        self._end()
        with self._change:
            self._change.notify_all()
        for thread in [*self._threads]:
            thread.join()
        if self._nursery:
            self._lost_workers += not self._nursery.close(0 if self._in_a_hurry else GRACE + SLACK)
            self._nursery = None
        if self._busy:  # after the nursery, which has copies of all that was open when it was made
            self._busy.close()
            self._busy = None
        if self._context:
            if self._lost_workers:
                self._context.scratch.end_processes()
            self._context.scratch.close(self._kept)

    def _be_busy(self) -> None:
        if self.settings.stress and not self._busy:
            from goldlock.runner.stress import BusyProcessors  # only for those who hunt

            self._busy = BusyProcessors()

    # All below is done with the lock held, but for _work, _work_with and _change_worker.

    def _is_done(self, path: Path, tally: Tally) -> bool:
        return tally.runs >= tally.wanted or (self._stopped and path not in self._line.running())

    def _hire(self) -> None:
        """Have a thread and a worker for each run that is to come, up to the limit."""
        to_come = sum(each.wanted - each.runs for each in self._tallies.values())
        for _ in range(int(min(self._limit, to_come)) - len(self._threads)):
            hand = Hand(self._worker(), self.settings)
            self._hands.add(hand)
            if self._error:
                hand.worker.stop()
            thread = Thread(target=self._work, args=(hand,), daemon=True)
            thread.start()
            self._threads.add(thread)

    def _worker(self) -> Worker:
        if not self._nursery:
            runner = Runner(self.settings, self._environ, self.context)
            self._nursery = Nursery(runner.serve, SLACK)
        return self._nursery.worker()

    def _take(self, most: int, *, wait: bool) -> list[Case]:
        """Take the first cases that may start, *most* of them at the most.

        If it may *wait*, there is one, or else this thread is to end. There is more than one only
        where no other thread would do without: a worker may be free sooner than another.
        """
        taken = []
        if wait and (first := self._next()):
            taken.append(first)
        if (taken or not wait) and not self._error and self._limit >= len(self._threads):
            while len(taken) < most and (case := self._line.take_early(self._limit)):
                taken.append(case)
        return taken

    def _next(self) -> Case | None:
        """Take the first case that may start; wait for one; None when this thread is to end."""
        while not self._error and len(self._threads) <= self._limit and not self._line.is_done():
            if case := self._line.take():
                return case
            self._change.wait()
        self._threads.discard(current_thread())
        return None

    def _ended(self, case: Case, result: CaseResult) -> None:
        if self._error:  # it was cut off, and is no run
            self._line.ended(case)
            self._change.notify_all()
            return
        self._leaks.look([each for hand in self._hands for each in hand.cases])
        self._line.ended(case)
        self._count(case, result)
        self._change.notify_all()

    def _count(self, case: Case, result: CaseResult) -> None:
        tally = self._tallies[case.path]
        if result.kept:
            self._kept.add(Path(result.kept))
        if not tally.add(result):
            self._drop(result)
        if tally.failed and self.settings.until_fail:
            self._stopped = True
            self._line.clear()
        if not self.settings.jobs:
            self._adapt()

    def _adapt(self) -> None:
        """Take as many jobs as leave no processor idle, and none waited for."""
        waiting = self._gauge.waiting()
        if waiting is None:
            return
        if waiting < IDLE and self._limit < MOST * processors():
            self._limit += 1
            self._hire()
        elif waiting > BUSY and self._limit > processors():
            self._limit -= 1

    def _drop(self, result: CaseResult) -> None:
        """Remove what a run kept, when there is enough of its kind."""
        if result.kept and not self.settings.keep:
            remove_tree(Path(result.kept))
            self._kept.discard(Path(result.kept))
            result.kept = result.kept_files = ""

    def _work(self, hand: Hand) -> None:
        """Be the thread of a worker. What goes wrong here, whoever asks for a result is told."""
        try:
            self._work_with(hand)
        except BaseException as error:
            with self._change:
                self._error = self._error or error
                self._threads.discard(current_thread())
                self._change.notify_all()
        with self._change:
            self._hands.discard(hand)
        hand.worker.close()

    def _work_with(self, hand: Hand) -> None:
        """Have a worker run cases until there are no more."""
        while True:
            with self._change:
                new = self._take(hand.room, wait=not hand.cases)
            try:
                hand.give(new, self.context)
                if not hand.cases:
                    break
                result = hand.answer()
            except WorkerDied as death:
                result = lost(hand.cases[0], str(death))
                self._change_worker(hand)
            except KeyboardInterrupt:  # of the programs' probe, after `interrupt`
                result = lost(hand.cases[0])
            except UsageError as error:  # for whoever asks for the result
                self._error = self._error or error
                result = lost(hand.cases[0])
            except Exception as error:
                result = broken(hand.cases[0], error)
            with self._change:
                self._ended(hand.cases[0], result)
                hand.cases.popleft()

    def _change_worker(self, hand: Hand) -> None:
        """Give a hand another worker for one that died; let all end where there can be none.

        The first of its cases is lost, and any other goes back.
        """
        case = hand.cases[0]
        if case.exclusive and not self._error:
            self.context.scratch.end_processes(case.number)
        with self._change:
            while len(hand.cases) > 1:
                self._line.put_back(hand.cases.pop())
            if self._stopped:
                self._line.clear()
            self._lost_workers += not self._error  # else it did as it was told
            if self._error:
                return
            try:
                hand.change_to(self._worker())
            except OSError as error:
                self._error = UsageError(f"no process to run cases in: {error.strerror}")
            if self._error:  # `interrupt` did not see this one
                hand.worker.stop()


def _number(path: Path) -> str:
    return path.name.partition(".")[0]
