# SPDX-License-Identifier: GPL-2.0-or-later
"""What the processes of a case are doing: a tree of them, and the locks on its files."""

import os
import shlex
from contextlib import suppress

import psutil
from goldlock.inspect import lock_table, processes
from goldlock.inspect.lock_table import Held, held_by
from goldlock.lockcalls import SUPERVISOR_NAME

__all__ = ["Held", "describe", "held_by", "name_of"]


def name_of(process: psutil.Process) -> str:
    """Return ``qemu-img info t.qcow2 (pid 812)``; raises psutil.NoSuchProcess."""
    words = process.cmdline()
    while words and not words[-1]:  # room that a program which changed its words left over
        words.pop()
    return f"{shlex.join(words) or process.name()} (pid {process.pid})"


def describe(pid: int) -> str:
    """Return a case's processes, a line each with states, then the locks on its files."""
    return lock_table.situation(pid, processes.variable(pid, "TEST_DIR"))


def children() -> list[int]:
    """Return the pids of this process's children, also of those that have ended."""
    return [child.pid for child in psutil.Process().children()]


def family(pid: int) -> list[int]:
    """Return a process and all below it, the upper ones first."""
    return [pid, *processes.below(pid)]


def session_size(pid: int) -> int:
    """Return how many processes there are in the session that a process leads."""
    count = 0
    for process in psutil.pids():
        with suppress(ProcessLookupError):
            count += os.getsid(process) == pid
    return count


def left_behind(pid: int) -> str:
    """Return a process's command line and locks, in a line; nothing when it has ended already.

    A supervisor of faults is none of the case's doing: what it supervises is.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() == SUPERVISOR_NAME:
            return ""
        held = [f"holding {lock.bytes()}" for lock in held_by(pid)]
        return ", ".join([name_of(process), *held])
    except psutil.Error:  # it is gone, or another user's
        return ""
