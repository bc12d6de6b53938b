"""What the processes of a case are doing: a tree of them, and the locks that they hold."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from harness.faults import SUPERVISOR_NAME
from harness.faults.protocol import PERMISSIONS, UNSHARES, USES


class Held(NamedTuple):
    """Locks that a process holds on a file: (first, last) bytes, last None for the end of it."""

    path: str
    ranges: tuple[tuple[int, int | None], ...]
    system: str
    """Of what kind the locks are: ``OFD``, ``POSIX`` or ``flock``."""

    def bytes(self) -> str:
        """Return ``bytes 100-101 201 of t.qcow2``, or ``all of t.qcow2``."""
        name = Path(self.path).name
        if self.ranges == ((0, None),):
            return f"all of {name}"
        words = [f"{a}" if a == b else f"{a}-{'' if b is None else b}" for a, b in self.ranges]
        plural = "s" if len(words) > 1 or "-" in words[0] else ""
        return f"byte{plural} {' '.join(words)} of {name}"

    def meaning(self) -> str:
        """Return what the bytes mean where they are those of QEMU's permissions, in words."""
        held = {byte for a, b in self.ranges if b is not None for byte in range(a, min(b, 300) + 1)}
        if not held or held - {base + i for base in (USES, UNSHARES) for i in range(4)}:
            return ""
        uses = [word for i, word in enumerate(PERMISSIONS) if USES + i in held]
        alone = [word for i, word in enumerate(PERMISSIONS) if UNSHARES + i in held]
        said = [f"it uses {', '.join(uses)}"] if uses else []
        said += [f"nobody else may use {', '.join(alone)}"] if alone else []
        return "; ".join(said)


def held_by(pid: int) -> list[Held]:
    """Return the locks that a process holds; none for one that is gone, or somebody else's."""
    found: dict[tuple[str, str], set[tuple[int, int | None]]] = defaultdict(set)
    for path, system, first, last in _lock_lines(pid):
        found[path, system].add((first, last))
    return [Held(path, _joined(ranges), system) for (path, system), ranges in sorted(found.items())]


def _lock_lines(pid: int) -> Iterator[tuple[str, str, int, int | None]]:
    """Yield path, kind, first and last byte of each lock in ``/proc/PID/fdinfo``."""
    kinds = {"OFDLCK": "OFD", "POSIX": "POSIX", "FLOCK": "flock"}
    try:
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            for line in info.read_text().splitlines():
                if line.startswith("lock:"):
                    words = line.split()  # lock: 1: OFDLCK ADVISORY READ -1 fe:00:12 100 101
                    path = str(Path(f"/proc/{pid}/fd/{info.name}").readlink())
                    last = None if words[8] == "EOF" else int(words[8])
                    yield path, kinds.get(words[2], words[2]), int(words[7]), last
    except OSError:
        return


def _joined(ranges: Iterable[tuple[int, int | None]]) -> tuple[tuple[int, int | None], ...]:
    """Sort ranges, and join those that touch."""
    joined: list[tuple[int, int | None]] = []
    for first, last in sorted(ranges, key=lambda each: each[0]):
        if joined and (joined[-1][1] is None or first <= joined[-1][1] + 1):
            before = joined[-1]
            end = None if last is None or before[1] is None else max(last, before[1])
            joined[-1] = (before[0], end)
        else:
            joined.append((first, last))
    return tuple(joined)


def name_of(process: psutil.Process) -> str:
    """Return ``qemu-img info t.qcow2 (pid 812)``; raises psutil.NoSuchProcess."""
    words = process.cmdline()
    while words and not words[-1]:  # room that a program which changed its words left over
        words.pop()
    return f"{shlex.join(words) or process.name()} (pid {process.pid})"


def describe(pid: int) -> str:
    """Return a process and all below it, a line each, with states, and with locks under each."""
    try:
        return "\n".join(_tree(psutil.Process(pid), "  "))
    except psutil.NoSuchProcess:
        return ""


def children() -> list[int]:
    """Return the pids of this process's children, also of those that have ended."""
    return [child.pid for child in psutil.Process().children()]


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
    except psutil.NoSuchProcess:
        return ""


def _tree(process: psutil.Process, indent: str) -> Iterator[str]:
    try:
        yield f"{indent}{name_of(process)}, {process.status()}"
        for lock in held_by(process.pid):
            meaning = f": {lock.meaning()}" if lock.meaning() else ""
            yield f"{indent}  holds {lock.system} locks on {lock.bytes()}{meaning}"
        for child in process.children():
            yield from _tree(child, indent + "  ")
    except psutil.NoSuchProcess:
        return
