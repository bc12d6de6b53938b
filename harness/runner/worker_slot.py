# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker, and the cases that were handed to it."""

from collections import deque
from collections.abc import Iterable

from goldlock.result import CaseResult
from goldlock.runner.case_run import Hold, Work, result_of
from goldlock.runner.process import GRACE
from goldlock.runner.run_context import RunContext
from goldlock.runner.worker_pool import Worker
from goldlock.settings import LONGEST, Settings
from goldlock.suite.cases import Case

QUICK = 0.01
"""Seconds of a case, below which its worker is handed the next one before it is done."""


class Hand:
    """A worker, for one thread, with what it is to do: the first of *cases*, then the next.

    One that is quick has the next case before it is done with the first: it would wait for it as
    long as it takes to run.
    """

    def __init__(self, worker: Worker, settings: Settings) -> None:
        self.worker = worker
        self.cases: deque[Case] = deque()
        self.waits = False
        """Whether the last case waits for one of another run, of the same ``exclusive`` name."""
        self._settings = settings
        self._kit: str | None = None  # whose programs the worker knows
        self._is_quick = False

    @property
    def room(self) -> int:
        """How many cases it can be handed."""
        return 1 + self._is_quick - len(self.cases)

    def give(self, cases: Iterable[Case], context: RunContext) -> None:
        """Hand cases over.

        One that is exclusive goes once no other of its name runs. Raises WorkerDied; and
        UsageError or KeyboardInterrupt, where there are no programs to run them with.
        """
        new = [*cases]
        self.cases += new
        for case in new:
            programs = None if case.kit == self._kit else context.programs(case.kit)
            if case.exclusive:
                self.waits = True
                try:
                    self.worker.send(Hold(case.exclusive))
                    self.worker.answer()
                finally:
                    self.waits = False
            self.worker.send(Work(case, programs, keep=self._settings.hunts))
            self._kit = case.kit

    def answer(self) -> CaseResult:
        """Wait for what came of the first case. Raises WorkerDied, or what went wrong there."""
        limit = self._settings.limit(self.cases[0].timeout)
        result: CaseResult = self.worker.answer(None if limit == LONGEST else limit + GRACE)
        self._is_quick = result.seconds < QUICK
        return result

    def change_to(self, worker: Worker) -> None:
        """Go on with another worker."""
        self.worker.close()
        self.worker = worker
        self._kit, self._is_quick = None, False


def lost(case: Case, why: str = "") -> CaseResult:
    """Return what came of a case whose worker died; *why*, as far as that is known."""
    why = why or "the process that ran it was killed; was there too little memory?"
    return _failed(case, f"{case.path}: {why}")


def broken(case: Case, error: Exception) -> CaseResult:
    """Return the failure of a case that could not be run, through no fault of its own."""
    return _failed(case, "\n".join([f"{case.path}: {error!r}", *getattr(error, "__notes__", ())]))


def _failed(case: Case, problem: str) -> CaseResult:
    result = result_of(case)
    result.problems.append(problem)
    return result


def not_started(case: Case) -> CaseResult:
    """Return what came of a case that another has kept from being run."""
    result = result_of(case)
    result.runs, result.reason = 0, "another case failed first"
    return result
