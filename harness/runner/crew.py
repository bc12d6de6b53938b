# SPDX-License-Identifier: GPL-2.0-or-later
"""The threads that run cases, each with a worker process of its own."""

from collections.abc import Callable
from threading import Thread, current_thread

from goldlock.errors import UsageError
from goldlock.runner.jobs import Jobs
from goldlock.runner.process import GRACE
from goldlock.runner.worker_pool import ForkServer, Serve, Worker
from goldlock.runner.worker_slot import WorkerSlot
from goldlock.settings import Settings
from goldlock.suite.cases import Case

WORKER_GRACE = 30.0
"""Seconds that a worker has to clean up after a case and to judge it, before it is called stuck."""


class Crew:
    """As many threads as *jobs* allow, each of which does *work* with a slot for a worker.

    *serve* makes, once, the function by which workers answer. The caller holds one lock for all
    calls but `stop`, `join` and `close`.
    """

    def __init__(
        self,
        settings: Settings,
        jobs: Jobs,
        serve: Callable[[], Serve],
        work: Callable[[WorkerSlot], None],
    ) -> None:
        self._jobs = jobs
        self.lost_workers = 0
        """Workers that died unasked, or had to be killed at the end."""
        self._settings, self._serve, self._work = settings, serve, work
        self._fork_server: ForkServer | None = None
        self._threads: set[Thread] = set()
        self._slots: set[WorkerSlot] = set()
        self._is_stopped = False

    def cases(self, *, waiting: bool = False) -> list[Case]:
        """Return the cases that are run right now; or those that wait for one of another run."""
        slots = (slot for slot in self._slots if slot.waits or not waiting)
        return [slot.case for slot in slots if slot.case]

    def hire(self, runs: float) -> None:
        """Have a thread for each of the *runs* that are to come, up to the limit.

        Raises UsageError where there is none to be had.
        """
        for _ in range(int(min(self._jobs.limit, runs)) - len(self._threads)):
            slot = WorkerSlot(self._worker(), self._settings)
            self._slots.add(slot)
            if self._is_stopped:
                slot.worker.stop()
            thread = Thread(target=self._work, args=(slot,), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # too many, for this user or container
                self._slots.discard(slot)
                slot.worker.close()
                raise UsageError(f"{error}; each job needs one, and two processes") from None
            self._threads.add(thread)

    def hire_more(self, runs: float) -> None:
        """Hire while others work: should there be no room for more, they go on as they are."""
        try:
            self.hire(runs)
        except UsageError:
            self._jobs.keep_to(len(self._threads))

    def is_spare(self) -> bool:
        """Tell whether others are to run what is to come, and not this thread."""
        return current_thread() not in self._threads or len(self._threads) > self._jobs.limit

    def retire(self) -> bool:
        """Leave what is to come to other threads; tell whether there are any."""
        others = self._threads - {current_thread()}
        if others:
            self._threads = others
            self._jobs.keep_to(len(others))
        return bool(others)

    def leave(self, slot: WorkerSlot) -> None:
        """Let this thread, which has the *slot*, work no more; it may be said twice."""
        self._threads.discard(current_thread())
        self._slots.discard(slot)

    def change_worker(self, slot: WorkerSlot) -> None:
        """Give a slot another worker for one that died, unless it was told to.

        Raises UsageError where there is none to be had, and no other thread to go on.
        """
        if self._is_stopped:
            return
        self.lost_workers += 1
        try:
            slot.change_to(self._worker())
        except UsageError:
            if not self.retire():
                raise
        if self._is_stopped:  # by a signal, which did not see this one
            slot.worker.stop()

    def stop(self) -> None:
        """Have all workers end at once; also from a signal handler."""
        self._is_stopped = True
        for slot in [*self._slots]:
            slot.worker.stop()

    def join(self) -> None:
        """Wait for all threads: they end when there is nothing to run, or all is stopped."""
        for thread in [*self._threads]:
            thread.join()

    def close(self, *, in_a_hurry: bool) -> None:
        """Wait for the end of all workers, each of which was stopped; kill those that take long.

        That is at once *in_a_hurry*.
        """
        if self._fork_server:
            grace = 0 if in_a_hurry else GRACE + WORKER_GRACE
            self.lost_workers += not self._fork_server.close(grace)
            self._fork_server = None

    def _worker(self) -> Worker:
        try:
            if not self._fork_server:
                self._fork_server = ForkServer(self._serve(), WORKER_GRACE)
            return self._fork_server.worker()
        except OSError as error:
            jobs = f"; -j N runs N cases at a time, where {self._jobs.limit} were to"
            raise UsageError(f"no process to run cases in: {error.strerror}{jobs}") from None
