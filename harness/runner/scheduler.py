# SPDX-License-Identifier: GPL-2.0-or-later
"""Run cases in worker processes, ahead of those who ask for the results."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING

from goldlock.dialects import known as dialects
from goldlock.errors import UsageError
from goldlock.result import CaseResult
from goldlock.runner.case_queue import CaseQueue
from goldlock.runner.case_run import Runner
from goldlock.runner.crew import Crew
from goldlock.runner.history import LastRun, in_best_order, rounds, runs_of_each
from goldlock.runner.jobs import Jobs
from goldlock.runner.leaked_files import LeakDetector, LeakedFile
from goldlock.runner.removal import remove_tree
from goldlock.runner.run_context import RunContext
from goldlock.runner.run_stats import RunStats, about_unfinished, case_name
from goldlock.runner.worker_pool import Serve, WorkerDied
from goldlock.runner.worker_slot import WorkerSlot, broken, lost, not_started
from goldlock.settings import Settings
from goldlock.suite.cases import Case

if TYPE_CHECKING:
    from goldlock.runner.stress import BusyProcessors


class Scheduler:
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
        self._queue = CaseQueue()
        self._stats: dict[Path, RunStats] = {}
        self._leaks = LeakDetector()
        self._jobs = Jobs(settings.jobs)
        self._crew = Crew(settings, self._jobs, self._serve, self._work)
        self._busy: BusyProcessors | None = None
        self._stopped = self._in_a_hurry = False
        self._cut_off: list[Path] = []
        self._error: BaseException | None = None
        self._kept: set[Path] = set()
        self.unclean: list[str] = []
        """What cannot be cleaned up at the end, a line each; the run has failed then."""
        self._past: Mapping[str, LastRun] = {}

    @property
    def context(self) -> RunContext:
        """The scratch directory, and the programs; raises UsageError when it cannot be made."""
        with self._change:
            self._context = self._context or RunContext(self.settings, self._environ)
            return self._context

    @property
    def limit(self) -> int:
        """How many cases may run at a time, as of now."""
        return self._jobs.limit

    def running(self) -> list[str]:
        """Return the numbers of the cases that run right now, or wait for another run."""
        with self._change:
            waiting = {case.path for case in self._crew.cases(waiting=True)}
            said = " (waits for another run)"
            return [
                f"{case_name(path)}{said * (path in waiting)}" for path in self._queue.running()
            ]

    def start_all(self, cases: Sequence[Case], past: Mapping[str, LastRun]) -> None:
        """Run *cases*, in the best order for their *past*; with one job, in the order given."""
        self._past = past
        self.start(cases if self.settings.jobs == 1 else in_best_order(cases, past))

    def start(self, cases: Iterable[Case]) -> None:
        """Run *cases*, in this order; those that were started already go on as they are."""
        with self._change:
            new = [case for case in cases if case.path not in self._stats]
            if new:
                if self.settings.stress and not self._busy:
                    from goldlock.runner.stress import BusyProcessors  # only for those who hunt

                    self._busy = BusyProcessors()
                self.context.expect(new)
                for root, kit in {case.root: case.kit for case in new}.items():
                    fails = self.settings.strict or dialects.of_kit(kit).leftovers_fail
                    self._leaks.add(root, fails=fails)
                    if jobs := dialects.of_kit(kit).jobs_per_cpu:
                        self._jobs.for_each_processor(jobs)
                planned = runs_of_each(self.settings)
                for case in new:
                    past = self._past.get(str(case.path))
                    self._stats[case.path] = RunStats(planned, self.settings, past)
                self._queue.add(rounds(new, self.settings))
                self._crew.hire(self._runs_to_come())

    def result(self, case: Case) -> CaseResult:
        """Return what came of a case; run it now if it was not started ahead.

        Raises UsageError when there are no programs to run it with, and KeyboardInterrupt
        after `interrupt`.
        """
        self.start([case])
        with self._change:
            stats = self._stats[case.path]
            self._change.wait_for(lambda: self._error or self._is_done(case.path, stats))
            if self._error:
                raise self._error
            del self._stats[case.path]
        if not stats.representative:
            return not_started(case)
        if stats.planned > 1 and stats.passed and not stats.failed:
            self._drop(stats.passed)  # there is no failure to hold it beside
        return stats.result()

    def leaked(self) -> list[LeakedFile]:
        """Return the files that turned up where they should not, each with the cases that ran."""
        with self._change:
            return self._leaks.leaked()

    def unfinished(self) -> list[str]:
        """Return in words what nobody has asked for: cases that were cut off, or did not start."""
        return about_unfinished(self._stats, self._cut_off)

    def interrupt(self) -> None:
        """End what runs and what would; `result` raises KeyboardInterrupt from now on.

        Asked for a second time, `close` does not wait until that is done.
        """
        self._in_a_hurry = isinstance(self._error, KeyboardInterrupt)
        self._end()

    def _end(self) -> None:
        if not self._error:
            self._error = KeyboardInterrupt()
            self._cut_off = self._queue.running()
        if self._context:
            self._context.interrupt()
        self._crew.stop()

    def close(self) -> None:
        """Cancel what has not started, end what runs, and clean up. Once is enough.

        What is left all the same is in `unclean`.
        """
        self._end()
        with self._change:
            self._change.notify_all()
        self._crew.join()
        self._crew.close(in_a_hurry=self._in_a_hurry)
        if self._busy:  # last: the fork server has copies of what was open when it was made
            self._busy.close()
            self._busy = None
        if self._context:
            if self._crew.lost_workers:
                self._context.scratch.end_processes()
            self.unclean += self._context.scratch.close(self._kept)

    # All from here to _drop is done with the lock held, but for _next, which takes it.

    def _serve(self) -> Serve:
        return Runner(self.settings, self._environ, self.context).serve

    def _is_done(self, path: Path, stats: RunStats) -> bool:
        return stats.runs >= stats.planned or (self._stopped and path not in self._queue.running())

    def _runs_to_come(self) -> float:
        return sum(each.planned - each.runs for each in self._stats.values())

    def _next(self, slot: WorkerSlot) -> Case | None:
        """Take the first case that may start; wait for one; None when this thread is to end."""
        with self._change:
            slot.case = None
            while not (self._error or self._crew.is_spare() or self._queue.is_done()):
                if case := self._queue.take():
                    slot.case = case
                    return case
                self._change.wait()
            self._crew.leave(slot)  # with the lock still held: who hires is not to count on it
        return None

    def _ended(self, case: Case, result: CaseResult) -> None:
        if self._error:  # it was cut off, and is no run
            self._queue.ended(case)
            self._change.notify_all()
            return
        made = {path: (case.name, program) for path, program in result.made.items()}
        self._leaks.look(self._crew.cases(), made)
        self._queue.ended(case)
        self._count(case, result)
        self._change.notify_all()

    def _count(self, case: Case, result: CaseResult) -> None:
        stats = self._stats[case.path]
        if result.kept:
            self._kept.add(Path(result.kept))
        if not stats.add(result):
            self._drop(result)
        retries = dialects.of_kit(case.kit).retries
        if stats.runs <= retries and stats.plan_another():
            self._queue.add_first(case)
            self._crew.hire_more(self._runs_to_come())
        if stats.failed and self.settings.until_fail:
            self._stopped = True
            self._queue.clear()
        if self._jobs.adapt():
            self._crew.hire_more(self._runs_to_come())

    def _drop(self, result: CaseResult) -> None:
        """Remove what a run kept, when there is enough of its kind."""
        if result.kept and not self.settings.keep:
            remove_tree(Path(result.kept))
            self._kept.discard(Path(result.kept))
            result.kept = result.kept_files = ""

    def _work(self, slot: WorkerSlot) -> None:
        """Be the thread of a worker. What goes wrong here, whoever asks for a result is told."""
        try:
            self._run_cases(slot)
        except BaseException as error:
            with self._change:
                self._error = self._error or error
                self._change.notify_all()
        with self._change:
            self._crew.leave(slot)
        slot.worker.close()

    def _run_cases(self, slot: WorkerSlot) -> None:
        """Have a worker run cases until there are no more."""
        while case := self._next(slot):
            try:
                result = slot.run(case, self.context, keep=self._keeps(case))
            except WorkerDied as death:
                if not slot.worker.has_begun and self._leave_to_others(case):
                    return
                result = lost(case, str(death))
                self._change_worker(slot, case)
            except KeyboardInterrupt:  # of the programs' probe, after `interrupt`
                result = lost(case)
            except UsageError as error:  # for whoever asks for the result
                self._error = self._error or error
                result = lost(case)
            except Exception as error:
                result = broken(case, error)
            with self._change:
                self._ended(case, result)

    def _keeps(self, case: Case) -> bool:
        """Tell whether a run that passes is kept, to hold one that failed beside."""
        return self.settings.repeats or self._stats[case.path].failed > 0

    def _leave_to_others(self, case: Case) -> bool:
        """Have another thread run a case that no process came for; tell whether there is one."""
        with self._change:
            if self._error or self._stopped or not self._crew.retire():
                return False
            self._queue.put_back(case)
            self._change.notify_all()
            return True

    def _change_worker(self, slot: WorkerSlot, case: Case) -> None:
        """Give a slot another worker for one that died; let all end where there is no other."""
        if case.exclusive and not self._error:
            self.context.scratch.end_processes(case.name)
        with self._change:
            try:
                self._crew.change_worker(slot)
            except UsageError as error:
                self._error = self._error or error
