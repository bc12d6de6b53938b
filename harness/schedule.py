"""Run cases ahead of those who judge them."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from harness.runner import Ran, Runner
from harness.suite import Case


class Ahead:
    """Runs cases in a small pool; `result` waits for one, whoever started it.

    Cases mostly wait for their programs, so a thread is enough for each.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._pool = ThreadPoolExecutor(runner.settings.jobs)
        self._running: dict[Path, Future[Ran]] = {}

    def start(self, cases: Iterable[Case]) -> None:
        """Run *cases*, in this order; those that were started already go on as they are."""
        for case in cases:
            if case.path not in self._running:
                self._running[case.path] = self._pool.submit(self.runner.run, case)

    def result(self, case: Case) -> Ran:
        """Return what came of a case; run it now if it was not started ahead.

        Raises what `Runner.run` raises.
        """
        self.start([case])
        return self._running.pop(case.path).result()

    def close(self) -> None:
        """Cancel what has not started, end what runs, and clean up. Once is enough."""
        self.runner.interrupt()
        self._pool.shutdown(cancel_futures=True)
        self.runner.close()
