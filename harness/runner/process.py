# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one case in a process tree of its own, and leave nothing of it behind."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from select import POLLIN, poll
from typing import IO, Any

from goldlock.runner.orphans import adopt, end_orphans, reap, reap_killed
from goldlock.runner.output_capture import OutputCapture
from goldlock.runner.removal import remove_tree
from goldlock.runner.spawn import Start, spawn

GRACE = 5.0
"""Seconds that a case has to end by itself after SIGTERM, before it is killed."""

PROCESS_LIMIT = 1500
"""Processes that a case may have at a time: fewer than a container of Podman's has, 2048."""

_LOOK = 0.1
"""Seconds between looks at how many processes there are."""

_LOOK_ALL = 10.0
"""Seconds between looks at whose they are, where the machine has as many as a case may have."""

_RUSH = PROCESS_LIMIT // 4
"""Processes that are new since the last look, from which on a case is stopped to be looked at."""


class CannotStart(Exception):
    """A case cannot be started; *reason* is why."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of a case: its output, and how it ended.

    *output* is a file with all that it wrote to standard output and error. *status* is its
    exit status, -N if signal N ended it. *stopped* tells why the runner ended it, if not for its
    time. *processes* tells what its processes were doing, and what they had locked, when its
    time was over. *left_behind* describes the processes that were still there when the case had
    ended, and what it had mounted; they are not, any more.
    """

    output: Path
    status: int
    seconds: float
    limit: float
    timed_out: bool = False
    stopped: str = ""
    processes: str = ""
    left_behind: tuple[str, ...] = ()


def execute(  # noqa: PLR0913, PLR0917 - all that a process is made of
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    output: Path,
    time_limit: float,
    interrupt: int,
    start: Start = spawn,
    clear: Callable[[], Sequence[str]] = tuple,
) -> Transcript:
    """Run *argv* in *directory* with no more than *environ*, for *time_limit* seconds at most.

    *start* does so, *clear* clears its directories of mounts and the like and describes them.
    What the case prints is taken down until it ends, and no longer, so that no process in the
    background can keep the runner waiting. This process must have no other children, and nothing
    be mounted below the directory of *output*: what there is when the case has ended, it left
    behind.

    Raises CannotStart, and KeyboardInterrupt once the descriptor *interrupt* is readable.
    """
    adopt()
    began = time.monotonic()
    with _opened(output) as file, closing(OutputCapture(file.fileno())) as capture:
        try:
            pid = start(argv, environ, directory, capture.write_end)
        except OSError as error:
            raise CannotStart(error) from None
        capture.drop_write_end()
        ended = _wait_for_end(pid, capture, time_limit, interrupt, clear)
        capture.copy()
        if not capture.written:
            file.truncate(0)
        _put_back(file, output)
    seconds = time.monotonic() - began
    stopped = ended.pop("stopped") or capture.error
    return Transcript(output, seconds=seconds, limit=time_limit, stopped=stopped, **ended)


def _wait_for_end(
    pid: int,
    capture: OutputCapture,
    limit: float,
    interrupt: int,
    clear: Callable[[], Sequence[str]],
) -> dict[str, Any]:
    """Wait for the end of a case, or end it; then end what it has left. Return what came of it."""
    ended, late, doing = False, False, ""
    with closing(_Watch(pid, capture)) as watch:
        try:
            ended = watch.ends_within(limit, interrupt)
            late = not (ended or watch.error)
            if late:
                from goldlock.inspect.process_report import describe  # psutil: only where it hangs

                doing = describe(pid)
        finally:  # also when the runner itself is interrupted
            if not ended:
                _stop(pid, watch)
            status = reap_killed(pid)
            left, stubborn = end_orphans(interrupt, tell=ended)
            if status is None:  # a server of files that it waited for may have been among them
                status = reap_killed(pid)
            left += clear()
    if status is None:
        status, stubborn = -signal.SIGKILL, [*stubborn, f"pid {pid}, which cannot be killed"]
    return {
        "status": status,
        "timed_out": late,
        "stopped": watch.error,
        "processes": doing,
        "left_behind": (*(left if ended else ()), *stubborn),
    }


class _Watch:
    """Waits for the end of a case, while its output is taken down.

    *error* tells why it must be ended before its time.
    """

    def __init__(self, pid: int, capture: OutputCapture) -> None:
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._capture = capture
        self._tasks = self._fewest = _tasks()
        self._due = time.monotonic() + _LOOK_ALL
        self.error = ""

    def close(self) -> None:
        """Watch no longer."""
        os.close(self._pidfd)

    def ends_within(self, seconds: float, interrupt: int | None = None) -> bool:
        """Wait for the end, without reaping; False for one that takes longer, or has to be ended.

        Raises KeyboardInterrupt once the descriptor *interrupt* is readable.
        """
        waiting, pipe = poll(), self._capture.pipe
        others = [] if interrupt is None else [interrupt]
        for descriptor in (self._pidfd, pipe, adopt(), *others):
            waiting.register(descriptor, POLLIN)
        now = time.monotonic()
        deadline, look = now + seconds, now + _LOOK
        while now < deadline:
            ready = [each for each, _ in waiting.poll((min(look, deadline) - now) * 1000)]
            if self._pidfd in ready:
                return True
            if interrupt in ready:
                raise KeyboardInterrupt
            if adopt() in ready:
                reap(but=self._pid)
            if pipe in ready and not self._capture.copy():
                waiting.unregister(pipe)
                self.error = self.error or self._capture.error
            now = time.monotonic()
            if now >= look:
                look = now + _LOOK
                self._count_processes()
            if self.error and interrupt is not None:
                return False
        return False

    def _count_processes(self) -> None:
        """Have a case ended that has more processes than it may.

        How many there are on the machine is soon read; whose they are is not, so that is for when
        they are that many more than they were; or now and then, as a case may have forked before
        the first look, or others ended meanwhile. Where they become more all the while, there
        would be no processor left to find it out: they are stopped.
        """
        before, self._tasks = self._tasks, _tasks()
        self._fewest = min(self._fewest, self._tasks)
        now = time.monotonic()
        if self._tasks - (self._fewest if now < self._due else 0) < PROCESS_LIMIT:
            return
        self._due = now + _LOOK_ALL
        if rush := self._tasks - before >= _RUSH:
            _kill(-self._pid, signal.SIGSTOP)
        from goldlock.inspect.process_report import (
            tree_size,  # psutil: only where something is wrong
        )

        if tree_size(os.getpid()) >= PROCESS_LIMIT:
            self.error = f"it had {PROCESS_LIMIT} processes, and was ended"
            _kill(-self._pid, signal.SIGKILL)
        elif rush:
            _kill(-self._pid, signal.SIGCONT)


def _opened(output: Path) -> IO[bytes]:
    """Open a file for output, in which there may be a line end: one that was used before."""
    return open(os.open(output, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)  # noqa: PTH123 - of a descriptor


def _put_back(file: IO[bytes], output: Path) -> None:
    """Make *output* what the case wrote, should the case have removed or replaced it."""
    with suppress(OSError):
        if output.lstat().st_ino == os.fstat(file.fileno()).st_ino:
            return
    if output.is_dir() and not output.is_symlink():
        remove_tree(output)
    output.unlink(missing_ok=True)
    file.seek(0)
    with output.open("xb") as again:
        shutil.copyfileobj(file, again)


def _stop(pid: int, watch: _Watch) -> None:
    """End a case: politely, then firmly."""
    _kill(-pid, signal.SIGTERM)
    _kill(-pid, signal.SIGCONT)  # or what is stopped does not see it
    if not watch.ends_within(GRACE):
        _kill(-pid, signal.SIGKILL)
        _kill(pid, signal.SIGKILL)


def _kill(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, or, with -N, a group, that may be gone, or another user's."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number) if pid > 0 else os.killpg(-pid, number)


def _tasks() -> int:
    """Return how many processes and threads the machine has; 0 where it does not tell."""
    try:
        with open("/proc/loadavg", "rb") as file:  # noqa: PTH123 - for each case
            return int(file.read().split()[3].partition(b"/")[2])  # 0.20 0.18 0.12 1/80 11206
    except (OSError, ValueError, IndexError):
        return 0
