# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes: who is below whom, and their end; `process_facts` tells of a single one.

Both sides use this where time counts: psutil, which takes 30 ms to load, is for what is rare.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH110, PTH120, PTH123

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from select import POLLIN, poll

from goldlock import linux
from goldlock.inspect.process_facts import all_pids, fields, parent, variable

KILL_LIMIT = 5.0
"""Seconds that a process has to end once it was killed: one that waits for a dead disk may not."""


def root_of_case(path: str) -> int:
    """Return the process above all of the case that this one is in, if *path* is the case's.

    0 elsewhere, and where the kernel does not tell of children.
    """
    folder, root = _case_of(os.getpid())
    return root if f"{os.path.realpath(path)}/".startswith(f"{folder}/") else 0


@cache
def _case_of(pid: int) -> tuple[str, int]:
    own = variable(pid, "TEST_DIR")
    if not own or not os.path.exists(f"/proc/self/task/{pid}/children"):
        return "", 0
    # Who looks after the case, and gets its daemons, has been started without its environment.
    root = pid
    while variable(root, "TEST_DIR") == own:
        root = parent(root)
    return os.path.dirname(os.path.realpath(own)), root


def children() -> dict[int, list[int]]:
    """Return the children of each process that has any, the oldest first, zombies among them.

    psutil asks for the time of day at which each was started, which takes /proc/stat; sandboxes
    have none.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for pid in all_pids():
        if known := fields(pid, "stat"):
            found.setdefault(int(known[4 - 3]), []).append((int(known[22 - 3]), pid))
    return {parent: [pid for _, pid in sorted(each)] for parent, each in found.items()}


def own_children() -> list[int]:
    """Return the children of this process, which has one thread, zombies among them."""
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/children", encoding="ascii") as file:
            return [int(each) for each in file.read().split()]
    except OSError:  # this kernel does not tell
        return children().get(pid, [])


def ancestors(pid: int) -> list[int]:
    """Return the process ids of a process's parent, of the parent of that, and so on."""
    found = []
    while (pid := parent(pid)) > 0:
        found.append(pid)
    return found


def descendants(pid: int) -> list[int]:
    """Return the process ids of all processes below one, parents before their children."""
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return [below for below, _ in linux.processes_below(pid)]
    known, found = children(), [pid]
    for each in found:  # it grows meanwhile
        found += known.get(each, ())
    return found[1:]


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
    import signal  # which who only looks does without

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
    import signal  # as above

    found: dict[int, None] = {}  # in the order in which they were found
    while new := [each for each in (root, *descendants(root)) if each not in found]:
        found |= dict.fromkeys(new)
        for pid in new:  # so that none starts another while they are looked for
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
    for pid in reversed(found):  # when its parent ends, the kernel may have one go on
        kill(pid)
    return [*found]


def _wait(pidfd: int, seconds: float | None) -> bool:
    waiting = poll()
    waiting.register(pidfd, POLLIN)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))


@cache
def command_line_area() -> tuple[int, int]:
    """Return where in memory the command line of this process, and of each fork, is: its size."""
    found = fields(os.getpid(), "stat")
    start, end = int(found[48 - 3]), int(found[49 - 3])
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
