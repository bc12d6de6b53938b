# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes as the kernel tells of them: names, command lines, who is below whom; and their end.

Both sides use this, at a failure and at a time limit; it is all standard library, as a case
loads nothing that it can do without.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH119, PTH123, PTH208

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from select import POLLIN, poll
from typing import NamedTuple

_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk-sleep",
    "T": "stopped",
    "t": "tracing-stop",
    "Z": "zombie",
    "X": "dead",
    "I": "idle",
}
_NAME_LENGTH = 15
"""Characters of a process's name that the kernel keeps."""


class Process(NamedTuple):
    """A process at one moment; *started* is in ticks since the machine's start."""

    pid: int
    parent: int
    state: str
    started: int


def everyone() -> list[int]:
    """Return the process ids of all processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def name(pid: int) -> str:
    """Return the name of a process's program, ``?`` for one that is gone.

    It is the name that the process has, which scripts and forked programs have of their own,
    in the length that it has in the command line.
    """
    short = _read(pid, "comm").rstrip("\n")
    if len(short) == _NAME_LENGTH:
        for word in arguments(pid):
            if (whole := os.path.basename(word)).startswith(short):
                return whole
    return short or "?"


def arguments(pid: int) -> list[str]:
    """Return the command line of a process; an empty one when it is gone, or a zombie."""
    return _read(pid, "cmdline").split("\0")[:-1]


def variable(pid: int, name: str) -> str:
    """Return an environment variable that a process was started with, or the empty string."""
    for line in _read(pid, "environ").split("\0"):
        if line.startswith(f"{name}="):
            return line.partition("=")[2]
    return ""


def state(pid: int) -> str:
    """Return what a process does in a word, such as ``stopped``."""
    process = _process(pid)
    return _STATES.get(process.state, process.state) if process else "gone"


def ends(pid: int, seconds: float | None = None) -> bool:
    """Wait for the end of any process, *seconds* at most; tell whether it has come."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _ends(pidfd, seconds)
    finally:
        os.close(pidfd)


def kill(pid: int) -> None:
    """Kill a process, whoever's child it is, and wait for its end, which frees its locks.

    It may be gone; one of another user goes on.
    """
    with suppress(ProcessLookupError, PermissionError):
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _ends(pidfd, None)
        finally:
            os.close(pidfd)


def kill_tree(root: int) -> None:
    """Kill a process and all below it, as `kill` does."""
    found: list[int] = []
    while new := {root, *below(root)}.difference(found):
        found += new
        for pid in new:  # so that none starts another while they are looked for
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
    for pid in found:
        kill(pid)


def ancestors(pid: int) -> Iterator[int]:
    """Yield the process ids of a process's parent, of the parent of that, and so on."""
    while (process := _process(pid)) and process.parent:
        pid = process.parent
        yield pid


def below(root: int) -> list[int]:
    """Return the process ids of all processes below *root*, parents before their children."""
    return [process.pid for process, _ in _descend(root)][1:]


def tree(root: int, indent: str = "  ") -> str:
    """Return *root* and all processes below it, with states, a line each.

    The empty string when it is gone.
    """
    lines = []
    for process, depth in _descend(root):
        command = arguments(process.pid)
        own = name(process.pid)
        text = shlex.join(command) or own
        if command and not any(os.path.basename(word).startswith(own) for word in command):
            text = f"{own}: {text}"  # it goes by another name than that of its program
        state = _STATES.get(process.state, process.state)
        lines.append(f"{indent}{'  ' * depth}{text} (pid {process.pid}), {state}")
    return "\n".join(lines)


def _descend(root: int) -> Iterator[tuple[Process, int]]:
    """Yield a process and all below it, each with its depth."""
    children: dict[int, list[Process]] = {}
    found = [process for pid in everyone() if (process := _process(pid))]
    for process in sorted(found, key=lambda each: (each.started, each.pid)):
        children.setdefault(process.parent, []).append(process)
    waiting = [(process, 0) for process in found if process.pid == root]
    while waiting:
        process, depth = waiting.pop()
        yield process, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(process.pid, []))]


def _ends(pidfd: int, seconds: float | None) -> bool:
    waiting = poll()
    waiting.register(pidfd, POLLIN)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))


def _process(pid: int) -> Process | None:
    # PID (NAME) STATE PARENT ...: a name may have anything in it. The start is the 22nd word.
    words = _read(pid, "stat").rpartition(")")[2].split()
    return Process(pid, int(words[1]), words[0], int(words[19])) if words else None


def _read(pid: int, file: str) -> str:
    try:
        with open(f"/proc/{pid}/{file}", encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except OSError:
        return ""


@cache
def room() -> tuple[int, int]:
    """Return where in memory the command line of this process, and of each fork, is."""
    # The name is in parentheses and may hold any others; the state, field 3, comes next.
    fields = _read(os.getpid(), "stat").rpartition(") ")[2].split()
    start, end = int(fields[48 - 3]), int(fields[49 - 3])
    return start, end - start


def go_by(argv: Sequence[str]) -> None:
    """Give this process, a fork, a command line of its own, for ps and all tools.

    Its room is that of the command line that was there: a longer one ends in ``...``.
    """
    start, size = room()
    line = b"\0".join(map(os.fsencode, argv))
    if len(line) >= size:
        line = line[: size - 4] + b"..."
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        os.pwrite(memory.fileno(), line.ljust(size, b"\0"), start)
    with open("/proc/self/comm", "wb", buffering=0) as comm:
        comm.write(os.fsencode(argv[0]))
