# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that have lost their parent, and that a worker adopts: daemons, and what is left.

A worker is the subreaper of its case. What it has adopted and has ended is reaped at once: whoever
asks whether a daemon lives, by ``kill -0``, is to learn that it does not.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from select import POLLIN, poll

from goldlock import linux
from goldlock.inspect import processes

DYING = 1.0
"""Seconds that what a case has left has to end by itself: what is dying was not left behind."""

KILLING = 5.0
"""Seconds that a process has to end once it was killed; the kernel may never come to that."""

_LOOKED_AT = 100
"""Processes that were left behind, past which no more are looked at."""

_DESCRIBED = 10
"""Processes that were left behind, past which only a count is told."""

_others: set[int] = set()
"""Children that a case has left to this process, and that cannot be ended; and those of `keep`."""


@cache
def adopt() -> int:
    """Make processes that lose their parent children of this one, also daemons.

    Returns a descriptor that can be read when a child has ended.
    """
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # or the kernel would not wake this process
    return woken


def keep(pid: int) -> None:
    """Take a child for none of a case's."""
    _others.add(pid)


def reap(but: int = 0) -> bool:
    """Reap the children that have ended, *but* one; tell whether there are others."""
    with suppress(BlockingIOError):
        while os.read(adopt(), 4096):
            pass
    try:
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == but:
                return True
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return False
    return True


def end_orphans(interrupt: int, *, tell: bool) -> tuple[list[str], list[str]]:
    """End and reap what a case has left.

    Returns descriptions of what was still running, if asked to *tell*, and of what goes on.
    The children of what is killed are adopted in turn, so the end is where nothing is left. What
    has thousands of children is not looked at any closer.
    """
    described: list[str] = []
    stubborn: list[str] = []
    seen: set[int] = set()
    if not reap():
        return described, stubborn
    if tell:
        _wait_for_the_dying(interrupt)
    while orphans := _orphans():
        # psutil: only where something is left
        from goldlock.inspect.process_report import left_behind

        groups: set[int] = set()
        for orphan in orphans:
            if tell and len(seen) < _LOOKED_AT:
                family = (orphan, *processes.descendants(orphan))
                new = [process for process in family if process not in seen]
                described += filter(None, map(left_behind, new))
                seen.update(new)
            with suppress(ProcessLookupError):
                groups.add(os.getpgid(orphan))
        for group in groups - {os.getpgrp()}:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)  # all at once, or they would be chased
        stubborn += _kill(orphans)
    more = ["and more"] if len(described) > _DESCRIBED else []
    return [*described[:_DESCRIBED], *more], stubborn


def reap_killed(pid: int) -> int | None:
    """Return the exit status of a child that was killed, or has ended; None if it has not.

    That of one which ended late, and was reaped with the orphans, is that it was killed.
    """
    if _lives(pid) and _remaining([pid], KILLING, reap_all=False):
        _others.add(pid)
        return None
    _others.discard(pid)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return -signal.SIGKILL


def _orphans() -> list[int]:
    if not reap():
        return []
    return [pid for pid in processes.own_children() if pid not in _others]


def _wait_for_the_dying(interrupt: int) -> None:
    deadline = time.monotonic() + DYING
    waiting = poll()
    for descriptor in (adopt(), interrupt):
        waiting.register(descriptor, POLLIN)
    while _orphans() and (seconds := deadline - time.monotonic()) > 0:
        if interrupt in dict(waiting.poll(seconds * 1000)):
            return


def _kill(orphans: Iterable[int]) -> list[str]:
    """Kill processes and reap them; describe those that go on."""
    said = []
    for orphan in orphans:
        try:
            os.kill(orphan, signal.SIGKILL)
        except PermissionError:
            _others.add(orphan)
            said.append(f"pid {orphan}, which is another user's and goes on")
        except ProcessLookupError:
            pass
    for orphan in _remaining([each for each in orphans if each not in _others], KILLING):
        from goldlock.inspect.process_report import state  # psutil, as above

        _others.add(orphan)
        said.append(f"pid {orphan}, which cannot be killed ({state(orphan)}) and goes on")
    return said


def _remaining(pids: Iterable[int], seconds: float, *, reap_all: bool = True) -> list[int]:
    """Wait until these children have ended, *seconds* at most; return those that have not."""
    deadline = time.monotonic() + seconds
    waiting = poll()
    waiting.register(adopt(), POLLIN)
    while True:
        reap() if reap_all else None
        left = [pid for pid in pids if _lives(pid)]
        if not left or (seconds := deadline - time.monotonic()) <= 0:
            return left
        waiting.poll(seconds * 1000)
        if not reap_all:
            with suppress(BlockingIOError):
                os.read(adopt(), 4096)


def _lives(pid: int) -> bool:
    """Tell whether a child is there that has not ended, or not told its parent so."""
    try:
        return not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
