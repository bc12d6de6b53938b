# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of a process: its name, what it does, since when."""

# `goldlock wait` starts often; pathlib and contextlib take 5 ms to load, and more:
# ruff: noqa: PTH208

import os
import time

from goldlock import linux

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Iterator


def all_pids() -> list[int]:
    """Return the process ids of all processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def waiting_tasks(pid: int) -> list[str]:
    """Return the threads of a process that may wait for a lock, as far as the kernel tells."""
    found = []
    for task, place in _places(pid):
        hidden = place in ("", "0") and fields(pid, f"task/{task}/stat")[:1] == ["S"]
        if hidden or "lock" in place or "setlk" in place:
            found.append(task)
    return found


_IN_LOCK = (
    *("locks_lock_inode_wait", "flock_lock_inode_wait", "posix_lock_inode_wait"),
    *("fcntl_setlk", "do_lock_file_wait", "__break_lease"),
)
"""Functions of the kernel in which a thread waits for a lock or a lease (fs/locks.c)."""


def waits_for_lock(pid: int) -> bool:
    """Tell whether a thread of a process waits for a lock, by where in the kernel it is."""
    return any(place.startswith(_IN_LOCK) for _, place in _places(pid))


def _places(pid: int) -> "Iterator[tuple[str, str]]":
    """Yield each thread of a process, and the function of the kernel in which it sleeps."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:  # gone
        return
    for task in tasks:
        yield task, read(pid, f"task/{task}/wchan")


def name(pid: int) -> str:
    """Return the name of a process's program as traces have it, ``?`` for one that is gone."""
    from goldlock.lockcalls.holders import program_name  # only where one is named

    return program_name(pid) or "?"


_STATES = {
    "R": "running",
    "S": "asleep",
    "D": "asleep, undisturbed by signals,",
    "T": "stopped",
    "t": "stopped by who traces it",
}


def doing(pid: int) -> str:
    """Return in words what a process does, such as ``asleep in hrtimer_nanosleep``."""
    state = fields(pid, "stat")[:1]
    if not state:
        return "gone"
    if state == ["Z"]:
        above = parent(pid)
        return f"at its end, which its parent, {name(above)} (pid {above}), has not taken note of"
    place = read(pid, "wchan")
    said = _STATES.get(state[0], f"in state {state[0]}")
    return said if place in ("", "0") else f"{said} in {place}"


def started_at(pid: int) -> int:
    """Return when a process was started, in clock ticks since the system was; 0 for none."""
    found = fields(pid, "stat")
    return int(found[22 - 3]) if found else 0


def clock_ticks() -> int:
    """Return how late it is, as `started_at` tells it."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def variable(pid: int, name: str) -> str:
    """Return an environment variable that a process was started with, or the empty string."""
    for line in read(pid, "environ").split("\0"):
        if line.startswith(f"{name}="):
            return line.partition("=")[2]
    return ""


def parent(pid: int) -> int:
    """Return the process id of a process's parent; 0 for none."""
    found = fields(pid, "stat")
    return int(found[1]) if found else 0


def fields(pid: int, file: str) -> list[str]:
    """Return what is in a stat file from the state on, its third field."""
    # The name is in parentheses and may hold any others.
    return read(pid, file).rpartition(")")[2].split()


def read(pid: int, file: str) -> str:
    """Return what is in a file of a process; nothing for one that is gone."""
    try:
        return linux.read(f"/proc/{pid}/{file}")
    except OSError:
        return ""
