# SPDX-License-Identifier: GPL-2.0-or-later
"""A place for a worker, and the case that it runs."""

import errno
import os

from goldlock.errors import UsageError
from goldlock.result import CaseResult
from goldlock.runner.case_run import Hold, Work, result_of
from goldlock.runner.process import GRACE
from goldlock.runner.run_context import RunContext
from goldlock.runner.worker_pool import Worker
from goldlock.settings import NO_LIMIT, Settings
from goldlock.suite.cases import Case
from goldlock.suite.programs import Programs

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class WorkerSlot:
    """A worker, for one thread, and the *case* that it has; None before there is one."""

    def __init__(self, worker: Worker, settings: Settings) -> None:
        self.worker = worker
        self.case: Case | None = None
        self.waits = False
        """Whether the case waits for one of another run, of the same ``exclusive`` name."""
        self._settings = settings
        self._programs: Programs | None = None  # those that the worker knows

    def run(self, case: Case, context: RunContext, *, keep: bool) -> CaseResult:
        """Have the worker run a case, and wait for what comes of it.

        Its directory stays with *keep*. One that is exclusive starts once no other of its name
        runs. Raises WorkerDied, or what went wrong in the worker; and UsageError or
        KeyboardInterrupt, where there are no programs.
        """
        self.case = case
        programs = context.programs(case.root)
        if case.exclusive:
            self.waits = True
            try:
                self.worker.send(Hold(case.exclusive))
                self.worker.answer()
            except UsageError as error:  # it concerns no other case
                return _failed(case, str(error))
            finally:
                self.waits = False
        news = None if programs is self._programs else programs
        self.worker.send(Work(case, news, keep=keep))
        self._programs = programs
        limit, runs = self._settings.limit(case.timeout), 1 + self._settings.writes
        seconds = None if limit == NO_LIMIT else runs * (limit + GRACE)
        result: CaseResult = self.worker.answer(seconds)
        return result

    def change_to(self, worker: Worker) -> None:
        """Go on with another worker."""
        self.worker.close()
        self.worker = worker
        self._programs = None


def lost(case: Case, why: str = "") -> CaseResult:
    """Return what came of a case whose worker died; *why*, as far as that is known."""
    why = why or "the process that ran it was killed; was there too little memory?"
    return _failed(case, f"{case.path}: {why}")


def broken(case: Case, error: Exception) -> CaseResult:
    """Return the failure of a case that could not be run, through no fault of its own."""
    if isinstance(error, OSError):  # the system's trouble, not one of the code here
        at = f": {os.fsdecode(error.filename)}" if error.filename else ""
        room = "; TEST_DIR can name a directory with more room" * (error.errno in _NO_ROOM)
        return _failed(case, f"{case.path}: cannot be run: {error.strerror}{at}{room}")
    return _failed(case, "\n".join([f"{case.path}: {error!r}", *getattr(error, "__notes__", ())]))


def not_started(case: Case) -> CaseResult:
    """Return what came of a case that another has kept from being run."""
    result = result_of(case)
    result.runs, result.reason = 0, "another case failed first"
    return result


def _failed(case: Case, problem: str) -> CaseResult:
    result = result_of(case)
    result.problems.append(problem)
    return result
