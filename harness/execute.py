"""Run one case in a process tree of its own, and leave nothing of it behind."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import POLLIN, poll

import psutil

GRACE = 2.0
"""Seconds that a case has to end by itself after SIGTERM, before it is killed."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of a case: its output, and how it ended.

    *output* is a file with all that it wrote to standard output and error. *status* is its
    exit status, -N if signal N ended it. *left_behind* describes the processes that were
    still there when the case had ended; they are not, any more.
    """

    output: Path
    status: int
    seconds: float
    timed_out: bool = False
    left_behind: tuple[str, ...] = ()


def command_line(path: Path) -> list[str]:
    """Return how a case is started: Python scripts with this Python, others as they are."""
    return [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]


def execute(
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    output: Path,
    time_limit: float,
) -> Transcript:
    """Run *argv* in *directory* with no more than *environ*, for *time_limit* seconds at most.

    The case is the leader of a session of its own and has no input. What it wrote is in a
    file, not a pipe, so that no process in the background can keep the runner waiting.
    Raises OSError when it cannot be started.
    """
    _adopt_orphans()
    before = _children()
    start = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    timed_out = left_behind = None
    try:
        timed_out = not _ends_within(process.pid, time_limit)
    finally:  # also when the runner itself is interrupted
        if timed_out is not False:
            _stop(process.pid)
        status = process.wait()
        left_behind = _kill_orphans(before)
    return Transcript(
        output,
        status,
        time.monotonic() - start,
        timed_out=timed_out,
        left_behind=() if timed_out else left_behind,
    )


def _ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a child, without reaping it; False when it takes longer."""
    pidfd = os.pidfd_open(pid)
    try:
        waiting = poll()
        waiting.register(pidfd, POLLIN)
        return bool(waiting.poll(seconds * 1000))
    finally:
        os.close(pidfd)


def _stop(pid: int) -> None:
    """End a case: politely, then firmly."""
    os.killpg(pid, signal.SIGTERM)
    if not _ends_within(pid, GRACE):
        os.killpg(pid, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Make processes that lose their parent children of this one, also daemons."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> set[int]:
    try:  # mostly there is none, and the kernel says so at once
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    return {child.pid for child in psutil.Process().children()}


def _kill_orphans(before: set[int]) -> tuple[str, ...]:
    """Kill and reap what was adopted since *before*; describe what was still running.

    The children of what is killed are adopted in turn, so the end is where nothing is left.
    """
    described = []
    while orphans := sorted(_children() - before):
        for pid in orphans:
            if description := _describe(pid):
                described.append(description)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return tuple(described)


def _describe(pid: int) -> str | None:
    """Return a process's command line and id; None when it has ended already."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        line = shlex.join(process.cmdline()) or process.name()
    except psutil.NoSuchProcess:
        return None
    return f"{line} (pid {pid})"
