"""Run cases ahead of those who judge them, in the order that is done soonest."""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple

from harness.runner import Ran, Runner
from harness.suite import Case


class Past(NamedTuple):
    """How a case went when it was last run."""

    seconds: float
    failed: bool


HISTORY = "goldlock/history"
"""The key of pytest's cache under which the past of a suite's cases is kept."""


def read_history(root: Path) -> dict[str, Past]:
    """Return the past of a suite's cases by number; of none, where the cache is not sound."""
    try:
        known = json.loads((root / ".pytest_cache" / "v" / HISTORY).read_text())
        return {
            str(n): Past(float(seconds), bool(failed)) for n, (seconds, failed) in known.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def in_best_order(cases: Sequence[Case], past: Mapping[str, Past]) -> list[Case]:
    """Return what failed last time first, what is new next, then the longest first.

    A long case that is started last is what a run with several jobs would wait for.
    """
    new = Past(float("inf"), failed=False)

    def rank(case: Case) -> tuple[bool, float]:
        known = past.get(case.number, new)
        return not known.failed, -known.seconds

    return sorted(cases, key=rank)


class Ahead:
    """Runs cases in as many threads as there are jobs; `result` waits for one.

    Cases mostly wait for their programs, so a thread is enough for each. A case that is
    ``exclusive`` waits for others of that name, and holds up no other.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._change = Condition()
        self._queue: list[Case] = []
        self._futures: dict[Path, Future[Ran]] = {}
        self._names: set[str] = set()
        self._threads: list[Thread] = []
        self._running: list[str] = []

    def running(self) -> list[str]:
        """Return the numbers of the cases that run right now."""
        with self._change:
            return list(self._running)

    def start(self, cases: Iterable[Case]) -> None:
        """Run *cases*, in this order; those that were started already go on as they are."""
        with self._change:
            for case in cases:
                if case.path not in self._futures:
                    self._futures[case.path] = Future()
                    self._queue.append(case)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for _ in range(min(self.runner.settings.jobs - len(self._threads), len(self._queue))):
                self._threads.append(Thread(target=self._work, daemon=True))
                self._threads[-1].start()

    def result(self, case: Case) -> Ran:
        """Return what came of a case; run it now if it was not started ahead.

        Raises what `Runner.run` raises.
        """
        self.start([case])
        ran = self._futures[case.path].result()
        del self._futures[case.path]
        return ran

    def interrupt(self) -> None:
        """End what runs and what would; `result` raises KeyboardInterrupt from now on."""
        self.runner.interrupt()

    def close(self) -> None:
        """Cancel what has not started, end what runs, and clean up. Once is enough."""
        self.interrupt()
        with self._change:
            self._queue.clear()
            self._change.notify_all()
        for thread in self._threads:
            thread.join()
        self.runner.close()

    def _work(self) -> None:
        while case := self._next():
            future = self._futures[case.path]
            try:
                ran = self.runner.run(case)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(ran)
            with self._change:
                self._running.remove(case.number)
                self._names.discard(case.exclusive)
                self._change.notify_all()

    def _next(self) -> Case | None:
        """Take the first case that may start; wait for one; None when all have been taken."""
        with self._change:
            while self._queue:
                for case in self._queue:
                    if case.exclusive not in self._names:
                        self._queue.remove(case)
                        self._running.append(case.number)
                        if case.exclusive:
                            self._names.add(case.exclusive)
                        return case
                self._change.wait()
        return None
