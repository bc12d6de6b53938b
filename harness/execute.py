"""Run one case in a process tree of its own, and leave nothing of it behind."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import POLLIN, poll
from typing import IO

import psutil

from harness import situation
from harness.faults import SUPERVISOR_NAME

GRACE = 2.0
"""Seconds that a case has to end by itself after SIGTERM, before it is killed."""

_PR_SET_CHILD_SUBREAPER = 36

_RUNNER = "GOLDLOCK_RUNNER"
"""A variable that what the runner itself starts has, and what cases start has not."""

_spawning = threading.Lock()
"""Held while a case is started, as until its program runs it cannot be told whose it is, and
while what one left behind is looked for."""

_cases: set[int] = set()
"""The cases that run: children of this process that are no orphans."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of a case: its output, and how it ended.

    *output* is a file with all that it wrote to standard output and error. *status* is its
    exit status, -N if signal N ended it. *situation* tells what its processes were doing, and
    what they had locked, when its time was over. *left_behind* describes the processes that were
    still there when the case had ended; they are not, any more.
    """

    output: Path
    status: int
    seconds: float
    limit: float
    timed_out: bool = False
    situation: str = ""
    left_behind: tuple[str, ...] = ()


def command_line(path: Path) -> list[str]:
    """Return how a case is started: Python scripts with this Python, others as they are."""
    return [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]


class Interrupt:
    """Ends the cases that are running, whichever thread waits for them. Set once, for good."""

    def __init__(self) -> None:
        self._event = os.eventfd(0)
        self.is_set = False

    def set(self) -> None:
        """Interrupt: each `execute` that is given this raises KeyboardInterrupt."""
        self.is_set = True
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """Return a descriptor that is readable once it is set."""
        return self._event


def execute(  # noqa: PLR0913, PLR0917 - all that a process is made of
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    output: Path,
    time_limit: float,
    interrupt: Interrupt,
) -> Transcript:
    """Run *argv* in *directory* with no more than *environ*, for *time_limit* seconds at most.

    The case is the leader of a session of its own and has no input. What it wrote is in a
    file, not a pipe, so that no process in the background can keep the runner waiting.
    Processes of the case are known by their TEST_DIR, which must be its own.

    Raises OSError when it cannot be started, KeyboardInterrupt once *interrupt* is set.
    """
    _adopt_orphans()
    start = time.monotonic()
    with output.open("w+b") as file:
        with _spawning:
            process = subprocess.Popen(
                argv,
                cwd=directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            _cases.add(process.pid)
        ended, doing = False, ""
        try:
            ended = _ends_within(process.pid, time_limit, interrupt)
            doing = "" if ended else situation.describe(process.pid)
        finally:  # also when the runner itself is interrupted
            if not ended:
                _stop(process.pid)
            status = process.wait()
            _cases.discard(process.pid)
            left_behind = _kill_orphans(environ["TEST_DIR"])
        _put_back(file, output)
    return Transcript(
        output,
        status,
        time.monotonic() - start,
        time_limit,
        timed_out=not ended,
        situation=doing,
        left_behind=left_behind if ended else (),
    )


def _put_back(file: IO[bytes], output: Path) -> None:
    """Make *output* what the case wrote, should the case have removed or replaced it."""
    with suppress(OSError):
        if output.lstat().st_ino == os.fstat(file.fileno()).st_ino:
            return
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() and not output.is_symlink():
        shutil.rmtree(output)
    output.unlink(missing_ok=True)
    file.seek(0)
    with output.open("wb") as again:
        shutil.copyfileobj(file, again)


def _ends_within(pid: int, seconds: float, interrupt: Interrupt | None = None) -> bool:
    """Wait for the end of a child, without reaping it; False when it takes longer."""
    pidfd = os.pidfd_open(pid)
    try:
        waiting = poll()
        waiting.register(pidfd, POLLIN)
        if interrupt:
            waiting.register(interrupt.fileno(), POLLIN)
        ready = [descriptor for descriptor, _ in waiting.poll(seconds * 1000)]
    finally:
        os.close(pidfd)
    if ready and pidfd not in ready:
        raise KeyboardInterrupt
    return bool(ready)


def _stop(pid: int) -> None:
    """End a case: politely, then firmly."""
    os.killpg(pid, signal.SIGTERM)
    if not _ends_within(pid, GRACE):
        os.killpg(pid, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Make processes that lose their parent children of this one, also daemons.

    What this process starts besides cases inherits the mark that it is no case's.
    """
    os.environ.setdefault(_RUNNER, "yes")
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_orphans(test_dir: str) -> tuple[str, ...]:
    """Kill and reap what a case left to be adopted; describe what was still running.

    The children of what is killed are adopted in turn, so the end is where nothing is left.
    """
    try:  # mostly there are no children at all, and the kernel says so at once
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return ()
    described = []
    with _spawning:  # so that two cases do not find the same
        while orphans := _orphans(test_dir):
            for orphan in orphans:
                if description := _describe(orphan):
                    described.append(description)
                with suppress(psutil.NoSuchProcess):
                    orphan.kill()
                with suppress(ChildProcessError):
                    os.waitpid(orphan.pid, 0)
    return tuple(described)


def _orphans(test_dir: str) -> list[psutil.Process]:
    """Return the children of this process that came from the case with that TEST_DIR."""
    children = [child for child in psutil.Process().children() if child.pid not in _cases]
    return [child for child in children if _comes_from(child, test_dir)]


def _comes_from(child: psutil.Process, test_dir: str) -> bool:
    """Tell whether a child comes from a case, not from another one or from the runner itself.

    A daemon may have emptied its environment: it counts for the last case that runs.
    """
    try:
        environ = child.environ()
        if os.getsid(child.pid) == os.getsid(0) or _RUNNER in environ:
            return False
        whose = environ.get("TEST_DIR")
        if whose is None:
            return not _cases
        return f"{whose}/".startswith(f"{test_dir}/")
    except (ProcessLookupError, psutil.NoSuchProcess):
        return True  # it ended, and is to be reaped
    except psutil.AccessDenied:
        return False


def _describe(process: psutil.Process) -> str | None:
    """Return a process's command line and locks; None when it has ended already.

    A supervisor of faults is none of the case's doing: what it supervises is.
    """
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.name() == SUPERVISOR_NAME:
            return None
        held = [f"holding {lock.bytes()}" for lock in situation.held_by(process.pid)]
        return ", ".join([situation.name_of(process), *held])
    except psutil.NoSuchProcess:
        return None
