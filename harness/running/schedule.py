"""Run cases ahead of those who judge them."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.goldens.judge import Verdict
from harness.ground import Ground
from harness.programs import Programs
from harness.running.execute import GRACE
from harness.running.mounts import remove_tree
from harness.running.order import rounds, runs_of_each
from harness.running.pressure import BUSY, IDLE, Gauge, processors
from harness.running.runner import Ran, Runner
from harness.running.strays import Strays
from harness.running.tally import Tally
from harness.running.workers import Nursery, Worker, WorkerDied
from harness.settings import LONGEST, Settings
from harness.suite import Case

if TYPE_CHECKING:
    from harness.running.stress import BusyProcessors

MOST = 4
"""Jobs for each processor, at most, where the number is to be found out."""

QUICK = 0.01
"""Seconds of a case, below which its worker is handed the next one before it is done."""

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
        self, settings: Settings, environ: Mapping[str, str], ground: Ground | None = None
    ) -> None:
        self.settings = settings
        self._environ = environ
        self._change = Condition()
        self._ground = ground
        self._nursery: Nursery | None = None
        self._queue: deque[Case] = deque()
        self._rounds: Iterator[list[Case]] = iter(())
        self._tallies: dict[Path, Tally] = {}
        self._running: Counter[Path] = Counter()
        self._names: set[str] = set()
        self._waiting: set[Path] = set()
        self._strays = Strays()
        self._threads: set[Thread] = set()
        self._workers: set[Worker] = set()
        self._lost_workers = 0
        self._busy: BusyProcessors | None = None
        self._stopped = False
        self._cut_off: list[Path] = []
        self._error: BaseException | None = None
        self._kept: set[Path] = set()
        self._limit = settings.jobs or processors()
        self._gauge = Gauge()

    @property
    def ground(self) -> Ground:
        """The scratch directory, and the programs; raises UsageError when it cannot be made."""
        with self._change:
            self._ground = self._ground or Ground(self.settings, self._environ)
            return self._ground

    def running(self) -> list[str]:
        """Return the numbers of the cases that run right now, or wait for another run."""
        with self._change:
            running = [path for path, times in self._running.items() if times]
            waits = " (waits for another run)"
            return [f"{_number(path)}{waits * (path in self._waiting)}" for path in running]

    def start(self, cases: Iterable[Case]) -> None:
        """Run *cases*, in this order; those that were started already go on as they are."""
        with self._change:
            new = [case for case in cases if case.path not in self._tallies]
            if new:
                self._be_busy()
                for root in {case.root for case in new}:
                    self._strays.watch(root)
                wanted = runs_of_each(self.settings)
                self._tallies.update((case.path, Tally(wanted)) for case in new)
                self._rounds = chain(self._rounds, rounds(new, self.settings))
                self._hire()

    def result(self, case: Case) -> Tally:
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
            tally.shown = _not_started(case)
        if self.settings.hunts and tally.passed and not tally.failed:
            self._drop(tally.passed)  # there is no failure to hold it beside
        return tally

    def strays(self) -> list[tuple[Path, list[str]]]:
        """Return the files that appeared where they should not, and which cases ran then."""
        ours, found = ".out" if self.settings.update else None, self._strays.found()
        return [(path, numbers) for path, numbers in found if numbers and path.suffix != ours]

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
        """End what runs and what would; `result` raises KeyboardInterrupt from now on."""
        if not self._error:
            self._error = KeyboardInterrupt()
            self._cut_off = [path for path, times in [*self._running.items()] if times]
        if self._ground:
            self._ground.interrupt()
        for worker in [*self._workers]:
            worker.stop()

    def close(self) -> None:
        """Cancel what has not started, end what runs, and clean up. Once is enough."""
        self.interrupt()
        with self._change:
            self._change.notify_all()
        for thread in [*self._threads]:
            thread.join()
        if self._nursery:
            self._lost_workers += not self._nursery.close(GRACE + SLACK)
            self._nursery = None
        if self._busy:  # after the nursery, which has copies of all that was open when it was made
            self._busy.close()
            self._busy = None
        if self._ground:
            if self._lost_workers:
                self._ground.scratch.end_processes()
            self._ground.scratch.close(self._kept)

    def _be_busy(self) -> None:
        if self.settings.stress and not self._busy:
            from harness.running.stress import BusyProcessors  # only for those who hunt

            self._busy = BusyProcessors()

    # All below is done with the lock held, but for _work.

    def _is_done(self, path: Path, tally: Tally) -> bool:
        return tally.runs >= tally.wanted or (self._stopped and not self._running[path])

    def _hire(self) -> None:
        """Have a thread and a worker for each run that is to come, up to the limit."""
        to_come = sum(each.wanted - each.runs for each in self._tallies.values())
        for _ in range(int(min(self._limit, to_come)) - len(self._threads)):
            thread = Thread(target=self._work, args=(self._worker(),), daemon=True)
            thread.start()
            self._threads.add(thread)

    def _worker(self) -> Worker:
        if not self._nursery:
            runner = Runner(self.settings, self._environ, self.ground.scratch)
            self._nursery = Nursery(runner.serve, SLACK)
        worker = self._nursery.worker()
        self._workers.add(worker)
        if self._error:
            worker.stop()
        return worker

    def _take(self, most: int, *, wait: bool) -> list[Case]:
        """Take the first cases that may start, *most* of them at the most.

        If it may *wait*, there is one, or else this thread is to end.
        """
        taken = []
        if wait and (first := self._next()):
            taken.append(first)
        while (taken or not wait) and len(taken) < most and (case := self._next_but_one()):
            taken.append(case)
        return taken

    def _next(self) -> Case | None:
        """Take the first case that may start; wait for one; None when this thread is to end."""
        while not self._error and len(self._threads) <= self._limit and self._refill():
            for case in self._queue:
                if case.exclusive not in self._names:
                    return self._taken(case)
            self._change.wait()
        self._threads.discard(current_thread())
        return None

    def _next_but_one(self) -> Case | None:
        """Take a case that is to wait for its worker; None rather than one of the last.

        For those, another worker may be free sooner.
        """
        if self._error or not len(self._queue) > self._limit >= len(self._threads):
            return None
        return None if self._queue[0].exclusive else self._taken(self._queue[0])

    def _taken(self, case: Case) -> Case:
        self._queue.remove(case)
        if case.exclusive:
            self._names.add(case.exclusive)
        self._running[case.path] += 1
        return case

    def _take_back(self, handed: deque[Case]) -> None:
        """Take back what waits behind the first case that was handed to a worker."""
        while len(handed) > 1:
            case = handed.pop()
            self._running[case.path] -= 1
            if not self._stopped:
                self._queue.appendleft(case)

    def _refill(self) -> bool:
        """Have something in the queue, if there is more to run."""
        while not self._queue and (cases := next(self._rounds, None)):
            self._queue.extend(cases)
        return bool(self._queue)

    def _done(self, case: Case, ran: Ran) -> None:
        tally = self._tallies[case.path]
        if ran.kept:
            self._kept.add(ran.kept)
        if not tally.add(ran):
            self._drop(ran)
        self._running[case.path] -= 1
        self._names.discard(case.exclusive)
        if tally.failed and self.settings.until_fail:
            self._stopped = True
            self._queue.clear()
            self._rounds = iter(())
        if not self.settings.jobs:
            self._adapt()
        self._change.notify_all()

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

    def _drop(self, ran: Ran) -> None:
        """Remove what a run kept, when there is enough of its kind."""
        if ran.kept and not self.settings.keep:
            remove_tree(ran.kept)
            self._kept.discard(ran.kept)
            ran.kept = None

    def _work(self, worker: Worker) -> None:
        """Have a worker run cases until there are no more.

        One that is quick has the next case before it is done with the first: it would wait for it
        as long as it takes to run.
        """
        handed: deque[Case] = deque()
        knows_programs = quick = False
        while True:
            with self._change:
                new = self._take(1 + quick - len(handed), wait=not handed)
            if not handed:
                began = time.time()
            handed += new
            if not handed:
                break
            try:
                for case in new:
                    programs = None if knows_programs else self.ground.programs()
                    self._hand(case, programs, worker)
                    knows_programs = True
                ran = worker.answer(self._patience(handed[0]))
                quick = ran.seconds < QUICK
            except WorkerDied as death:
                knows_programs = quick = False
                ran = _lost(handed[0], str(death))
                worker = self._instead_of(worker, handed)
            except KeyboardInterrupt:  # of the programs' probe, after `interrupt`
                ran = _lost(handed[0])
            except UsageError as error:  # for whoever asks for the result
                self._error = self._error or error
                ran = _lost(handed[0])
            except Exception as error:
                ran = _broken(handed[0], error)
            with self._change:
                self._ended(handed.popleft(), ran, began)
            began = time.time()
        with self._change:
            self._workers.discard(worker)
        worker.close()

    def _hand(self, case: Case, programs: Programs | None, worker: Worker) -> None:
        """Hand a case to a worker; one that is exclusive once no other of its name runs."""
        if case.exclusive:
            self._waiting.add(case.path)
            try:
                worker.send(case.exclusive)
                worker.answer()
            finally:
                self._waiting.discard(case.path)
        worker.send((case, programs, self.settings.hunts))

    def _ended(self, case: Case, ran: Ran, began: float) -> None:
        if self._error:  # it was cut off, and is no run
            self._running[case.path] -= 1
            self._change.notify_all()
        else:
            self._strays.ran(case.number, began)
            self._done(case, ran)

    def _instead_of(self, worker: Worker, handed: deque[Case]) -> Worker:
        """Return another worker for one that died; let all end where there can be none.

        Of what was *handed* to it, it has lost the first case.
        """
        if handed[0].exclusive and not self._error:
            self.ground.scratch.end_processes(handed[0].number)
        with self._change:
            self._take_back(handed)
            self._lost_workers += not self._error  # else it did as it was told
            self._workers.discard(worker)
            worker.close()
            if self._error:
                return worker
            try:
                return self._worker()
            except OSError as error:
                self._error = UsageError(f"no process to run cases in: {error.strerror}")
                return worker

    def _patience(self, case: Case) -> float | None:
        """Return the seconds that a case takes at most; None where there is no limit."""
        limit = self.settings.limit(case.timeout)
        return None if limit == LONGEST else limit + GRACE


def _number(path: Path) -> str:
    return path.name.partition(".")[0]


def _lost(case: Case, why: str = "") -> Ran:
    why = why or "the process that ran it was killed; was there too little memory?"
    return Ran(Verdict(_golden(case), problems=[f"{case.path}: {why}"]))


def _broken(case: Case, error: Exception) -> Ran:
    """Return the failure of a case that could not be run, through no fault of its own."""
    told = "\n".join([f"{case.path}: {error!r}", *getattr(error, "__notes__", ())])
    return Ran(Verdict(_golden(case), problems=[told]))


def _not_started(case: Case) -> Ran:
    return Ran(Verdict(_golden(case), reason="another case failed first"))


def _golden(case: Case) -> Path:
    return case.expected / f"{case.number}.out"
