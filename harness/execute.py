"""Run one case in a process tree of its own, and leave nothing of it behind."""

import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from select import POLLIN, poll
from typing import IO

from harness import mounts

GRACE = 2.0
"""Seconds that a case has to end by itself after SIGTERM, before it is killed."""

_PR_SET_CHILD_SUBREAPER = 36

_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a case finds as they are by default, whatever Python or a caller made of them."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of a case: its output, and how it ended.

    *output* is a file with all that it wrote to standard output and error. *status* is its
    exit status, -N if signal N ended it. *situation* tells what its processes were doing, and
    what they had locked, when its time was over. *left_behind* describes the processes that were
    still there when the case had ended, and what it had mounted; they are not, any more.
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


def execute(  # noqa: PLR0913, PLR0917 - all that a process is made of
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    output: Path,
    time_limit: float,
    interrupt: int,
) -> Transcript:
    """Run *argv* in *directory* with no more than *environ*, for *time_limit* seconds at most.

    The case is the leader of a session of its own and has no input. What it wrote is in a
    file, not a pipe, so that no process in the background can keep the runner waiting.
    This process must have no other children, and nothing be mounted below the directory of
    *output*: what there is when the case has ended, it left behind.

    Raises OSError when it cannot be started, KeyboardInterrupt once the descriptor *interrupt*
    is readable.
    """
    _adopt_orphans()
    start = time.monotonic()
    with output.open("w+b") as file:
        pid = _start(argv, environ, directory, file.fileno())
        ended, doing = False, ""
        try:
            ended = _ends_within(pid, time_limit, interrupt)
            doing = "" if ended else _situation(pid)
        finally:  # also when the runner itself is interrupted
            if not ended:
                _stop(pid)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            left_behind = (*_kill_orphans(), *mounts.clear(output.parent))
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


def _start(argv: Sequence[str], environ: Mapping[str, str], directory: Path, output: int) -> int:
    """Start a case; return its pid. Raises OSError.

    Not by subprocess, which takes as long again as a trivial case does.
    """
    os.chdir(directory)
    try:
        return os.posix_spawn(
            argv[0],
            list(argv),
            environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT,
        )
    finally:
        os.chdir("/")  # the directory is to be removed


def _situation(pid: int) -> str:
    from harness.situation import describe  # psutil: only where something is wrong

    return describe(pid)


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


def _ends_within(pid: int, seconds: float, interrupt: int | None = None) -> bool:
    """Wait for the end of a child, without reaping it; False when it takes longer."""
    pidfd = os.pidfd_open(pid)
    try:
        waiting = poll()
        waiting.register(pidfd, POLLIN)
        if interrupt is not None:
            waiting.register(interrupt, POLLIN)
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


@cache
def _adopt_orphans() -> None:
    """Make processes that lose their parent children of this one, also daemons."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_orphans() -> tuple[str, ...]:
    """Kill and reap what a case left to be adopted; describe what was still running.

    The children of what is killed are adopted in turn, so the end is where nothing is left.
    """
    described: list[str] = []
    while _has_children():
        from harness.situation import children, left_behind  # as in _situation

        for orphan in children():
            if said := left_behind(orphan):
                described.append(said)
            with suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, 0)
    return tuple(described)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
