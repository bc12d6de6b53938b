# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes: names and command lines, who is below whom, and their end.

Both sides use this where time counts: psutil, which takes 30 ms to load, is for what is rare.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH110, PTH119, PTH120, PTH123, PTH208

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from select import POLLIN, poll

from goldlock import linux

_NAME_LENGTH = 15
"""Characters of a process's name that the kernel keeps."""


KILL_LIMIT = 5.0
"""Seconds that a process has to end once it was killed: one that waits for a dead disk may not."""


def all_pids() -> list[int]:
    """Return the process ids of all processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def pids_of_case(directory: str) -> list[int]:
    """Return the processes that may have files of a directory open.

    All of them; but of a case that this process is in, and its directory, only that case's.
    """
    own = _variable(os.getpid(), "TEST_DIR")
    folder = os.path.dirname(os.path.realpath(own))
    if not own or not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return all_pids()
    if not f"{os.path.realpath(directory)}/".startswith(f"{folder}/"):
        return all_pids()
    # Who looks after the case, and gets its daemons, has been started without its environment.
    root = os.getpid()
    while _variable(root, "TEST_DIR") == own:
        root = _parent(root)
    return [root, *(pid for pid, _ in linux.processes_below(root))]


def any_waits(pids: Iterable[int]) -> bool:
    """Return whether one of these processes may wait for a lock, as far as the kernel tells."""
    for pid in pids:
        with suppress(OSError):  # gone
            for task in os.listdir(f"/proc/{pid}/task"):
                place = _read(pid, f"task/{task}/wchan")
                hidden = place in ("", "0") and _fields(pid, f"task/{task}/stat")[:1] == ["S"]
                if hidden or "lock" in place or "setlk" in place or "lease" in place:
                    return True
    return False


def name(pid: int) -> str:
    """Return the name of a process's program, ``?`` for one that is gone.

    It is the name that the process has, which scripts and forked programs have of their own,
    in the length that it has in the command line.
    """
    short = _read(pid, "comm").rstrip("\n")
    if len(short) == _NAME_LENGTH:
        for word in _read(pid, "cmdline").split("\0"):
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
    state = _fields(pid, "stat")[:1]
    if not state:
        return "gone"
    if state == ["Z"]:
        parent = _parent(pid)
        return f"at its end, which its parent, {name(parent)} (pid {parent}), has not taken note of"
    place = _read(pid, "wchan")
    said = _STATES.get(state[0], f"in state {state[0]}")
    return said if place in ("", "0") else f"{said} in {place}"


def started_at(pid: int) -> int:
    """Return when a process was started, in clock ticks since the system was; 0 for none."""
    fields = _fields(pid, "stat")
    return int(fields[22 - 3]) if fields else 0


def clock_ticks() -> int:
    """Return how late it is, as `started_at` tells it."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def ancestors(pid: int) -> list[int]:
    """Return the process ids of a process's parent, of the parent of that, and so on."""
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).parents()]
    except psutil.NoSuchProcess:
        return []


def descendants(pid: int) -> list[int]:
    """Return the process ids of all processes below one, parents before their children."""
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return [below for below, _ in linux.processes_below(pid)]
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_for_exit(pid: int, seconds: float | None = None) -> bool:
    """Wait for the end of any process, *seconds* at most; tell whether it has come."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _wait(pidfd, seconds)
    finally:
        os.close(pidfd)


def kill(pid: int) -> bool:
    """Kill a process, whoever's child it is, and wait for its end, which frees its locks.

    It may be gone. False for one that goes on: another user's, or one that the kernel does not
    end in `KILL_LIMIT`.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return _wait(pidfd, KILL_LIMIT)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        os.close(pidfd)


def kill_tree(root: int) -> list[int]:
    """Kill a process and all below it, as `kill` does; return them."""
    found: list[int] = []
    while new := {root, *descendants(root)}.difference(found):
        found += new
        for pid in new:  # so that none starts another while they are looked for
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
    for pid in found:
        kill(pid)
    return found


def _wait(pidfd: int, seconds: float | None) -> bool:
    waiting = poll()
    waiting.register(pidfd, POLLIN)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))


def _variable(pid: int, name: str) -> str:
    """Return an environment variable that a process was started with, or the empty string."""
    for line in _read(pid, "environ").split("\0"):
        if line.startswith(f"{name}="):
            return line.partition("=")[2]
    return ""


def _parent(pid: int) -> int:
    fields = _fields(pid, "stat")
    return int(fields[1]) if fields else 0


def _fields(pid: int, file: str) -> list[str]:
    """Return what is in a stat file from the state on, its third field."""
    # The name is in parentheses and may hold any others.
    return _read(pid, file).rpartition(")")[2].split()


def _read(pid: int, file: str) -> str:
    try:
        with open(f"/proc/{pid}/{file}", encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except OSError:
        return ""


@cache
def command_line_area() -> tuple[int, int]:
    """Return where in memory the command line of this process, and of each fork, is: its size."""
    fields = _fields(os.getpid(), "stat")
    start, end = int(fields[48 - 3]), int(fields[49 - 3])
    return start, end - start


def set_command_line(argv: Sequence[str]) -> None:
    """Give this process, a fork, a command line of its own, for ps and all tools.

    It has the room of the command line that was there: a longer one ends in ``...``.
    """
    start, size = command_line_area()
    line = b"\0".join(map(os.fsencode, argv))
    if len(line) >= size:
        line = line[: size - 4] + b"..."
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        os.pwrite(memory.fileno(), line.ljust(size, b"\0"), start)
    with open("/proc/self/comm", "wb", buffering=0) as comm:
        comm.write(os.fsencode(argv[0]))
