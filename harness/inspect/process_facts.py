# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of a process: its name, what it does, since when."""

# `goldlock wait` starts often; pathlib and contextlib take 5 ms to load, and more:
# ruff: noqa: PTH119, PTH123, PTH208

import os
import time

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_LENGTH = 15
"""Characters of a process's name that the kernel keeps."""


def any_waits(pids: "Iterable[int]") -> bool:
    """Return whether one of these processes may wait for a lock, as far as the kernel tells."""
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:  # gone
            continue
        for task in tasks:
            place = read(pid, f"task/{task}/wchan")
            hidden = place in ("", "0") and fields(pid, f"task/{task}/stat")[:1] == ["S"]
            if hidden or "lock" in place or "setlk" in place or "lease" in place:
                return True
    return False


def name(pid: int) -> str:
    """Return the name of a process's program, ``?`` for one that is gone.

    It is the name that the process has, which scripts and forked programs have of their own,
    in the length that it has in the command line.
    """
    short = read(pid, "comm").rstrip("\n")
    if len(short) == _NAME_LENGTH:
        for word in read(pid, "cmdline").split("\0"):
            if (whole := os.path.basename(word)).startswith(short):
                return whole
    return short or "?"


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
        with open(f"/proc/{pid}/{file}", encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except OSError:
        return ""
