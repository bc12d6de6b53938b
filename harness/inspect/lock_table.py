# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds which locks, in words, as the kernel tells of them.

    t.qcow2: byte 101, it may write: qemu-system-x86_64 (pid 7, holder)
    t.qcow2: byte 201, nobody else may write: qemu-system-x86_64 (pid 7, holder)
    state: all bytes, exclusive (flock): flock (pid 9, contender)

A line for each file and lock, in the order of files and bytes; a contender waits for it.
From other languages:

    "$PYTHON" -m goldlock.inspect.lock_table [DIRECTORY]      (default: TEST_DIR)

Both sides use this; it is all standard library. A lock of an open file (OFD) does not say
whose it is: the processes that have the file open are asked.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH112, PTH115, PTH119, PTH123, PTH208

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from goldlock.inspect import processes
from goldlock.lockcalls.protocol import PERMISSIONS, UNSHARES, USES

_SYSTEMS = {"OFDLCK": "OFD", "POSIX": "POSIX", "FLOCK": "flock"}
_VERBS = ("read consistently", "write", "write what is there already", "resize")
_PAGES = 1024 * 1024
_LAST = 2**63
"""Sorts after each byte of a file."""


class Lock(NamedTuple):
    """A lock on bytes of a file: *last* is None for its end; *system* OFD, POSIX or flock."""

    path: str
    first: int
    last: int | None
    system: str
    exclusive: bool

    def words(self) -> str:
        """Return which bytes are locked, and what that means, where it is known."""
        if (self.first, self.last) == (0, None):
            text = "all bytes"
        elif self.last is None:
            text = f"bytes {self.first} and up"
        elif self.first == self.last:
            text = f"byte {self.first}"
        else:
            text = f"bytes {self.first}-{self.last}"
        meaning = _meaning(self.first) if self.first == self.last else ""
        if self.exclusive or not meaning:
            meaning += ", exclusive" if self.exclusive else ", shared"
        return f"{text}{meaning}" + ("" if self.system == "OFD" else f" ({self.system})")

    def each(self) -> "Iterator[Lock]":
        """Yield a lock for each byte, where they are QEMU's permissions; else itself."""
        for base in (USES, UNSHARES):
            if base <= self.first and self.last is not None and self.last < base + len(_VERBS):
                for byte in range(self.first, self.last + 1):
                    yield self._replace(first=byte, last=byte)
                return
        yield self


class Held(NamedTuple):
    """The locks that a process holds on a file: (first, last) bytes, last None for its end."""

    path: str
    ranges: tuple[tuple[int, int | None], ...]
    system: str

    def bytes(self) -> str:
        """Return ``bytes 100-101 201 of t.qcow2``, or ``all of t.qcow2``."""
        name = os.path.basename(self.path)
        if self.ranges == ((0, None),):
            return f"all of {name}"
        words = [f"{a}" if a == b else f"{a}-{'' if b is None else b}" for a, b in self.ranges]
        plural = "s" if len(words) > 1 or "-" in words[0] else ""
        return f"byte{plural} {' '.join(words)} of {name}"


def held_by(pid: int) -> list[Held]:
    """Return the locks that a process holds; none for one that is gone, or somebody else's."""
    found: dict[tuple[str, str], set[tuple[int, int | None]]] = defaultdict(set)
    for _, _, _, lock in _locks_of(pid, "/"):
        found[lock.path, lock.system].add((lock.first, lock.last))
    return [Held(path, _joined(ranges), system) for (path, system), ranges in sorted(found.items())]


def table(directory: str) -> str:
    """Return who holds or waits for which lock on files below *directory*, a line each.

    The empty string where nothing is locked. Locks of processes that this one may not look
    into are not in it. What a process has open for the programs that it starts, it holds alone.
    """
    top = os.path.realpath(directory)
    return _text(top, [each for pid in processes.everyone() for each in _locks_of(pid, f"{top}/")])


def situation(root: int, directory: str) -> str:
    """Return the processes from *root* down, a line each, then the table under a heading."""
    text = processes.tree(root)
    held = table(directory) if directory else ""
    return text + ("\nits locks were:\n" + indented(held) if held else "")


def indented(text: str) -> str:
    """Return the lines of *text* two columns further right, without the last line end."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def locks_below(directory: str) -> set[Lock]:
    """Return all locks on files below *directory*, whoever holds them; quicker than `table`."""
    top = os.path.realpath(directory)
    lines, all_of_them = _kernel_table()
    if not all_of_them:
        pids = processes.everyone()
        return {each.lock for pid in pids for each in _locks_of(pid, f"{top}/")}
    paths = {str(file.inode()): file.path for file in _files(top)}
    held = [line for line in lines if "->" not in line and _inode(line) in paths]
    return {_lock(paths[_inode(line)], line) for line in held}


class Watch:
    """Tells the table of a directory only where it has changed, as it is asked for often."""

    def __init__(self, directory: str) -> None:
        self._top = os.path.realpath(directory)
        self._last: list[str] | None = None

    def changed(self, likely: Iterable[int]) -> str | None:
        """Return the table; None when all locks are as they were the last time.

        To ask the processes that are *likely* to hold them is much quicker than to ask all.
        """
        files = {str(file.inode()) for file in _files(self._top)}
        now = [line for line in _kernel_table()[0] if _inode(line) in files]
        if now == self._last:
            return None
        self._last = now
        held = [each for pid in likely for each in _locks_of(pid, f"{self._top}/")]
        if Counter(each.line for each in held) != Counter(now):
            return table(self._top)
        return _text(self._top, held)


class _Found(NamedTuple):
    """A lock where it was found: process, descriptor, the kernel's words for it."""

    pid: int
    fd: str
    line: str
    lock: Lock


def _text(top: str, held: list[_Found]) -> str:
    rows = {
        _row(lock, top, each.pid, "holder")
        for each in held
        if not _inherited(each, held)
        for lock in each.lock.each()
    }
    rows |= {_row(lock, top, pid, "contender") for pid, lock in _waiting(top)}
    return "".join(f"{row[-1]}\n" for row in sorted(rows))


def _inherited(one: _Found, held: list[_Found]) -> bool:
    """Tell whether a process has a lock only as it was started with the file open."""
    same = {each.pid for each in held if (each.fd, each.lock) == (one.fd, one.lock)} - {one.pid}
    return bool(same) and not same.isdisjoint(processes.ancestors(one.pid))


def _meaning(byte: int) -> str:
    for verb, base in (("it may", USES), ("nobody else may", UNSHARES)):
        if base <= byte < base + len(PERMISSIONS):
            return f", {verb} {_VERBS[byte - base]}"
    return ""


def _row(lock: Lock, top: str, pid: int, role: str) -> tuple[str, int, int, bool, str, int, str]:
    name = processes.name(pid) if pid > 0 else "a process"
    who = f"pid {pid}, {role}" if pid > 0 else role
    path = lock.path[len(top) + 1 :]
    last = _LAST if lock.last is None else lock.last
    text = f"{path}: {lock.words()}: {name} ({who})"
    return path, lock.first, last, role != "holder", name, pid, text


def _locks_of(pid: int, prefix: str) -> Iterator[_Found]:
    """Yield the locks of a process on files whose paths begin with *prefix*."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # gone, or somebody else's
        return
    for fd in descriptors:
        try:
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
            if not path.startswith(prefix):
                continue
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
                lines = [line for line in info if line.startswith("lock:")]
        except OSError:  # closed meanwhile
            continue
        for line in lines:
            text = line.split(":", 2)[2]
            yield _Found(pid, fd, text, _lock(path, text))


def _lock(path: str, line: str) -> Lock:
    # OFDLCK ADVISORY READ -1 fe:00:12 100 101; a waiter has -> before it.
    system, _, kind, _, _, first, end = line.replace("->", "").split()
    last = None if end == "EOF" else int(end)
    return Lock(path, int(first), last, _SYSTEMS.get(system, system), kind == "WRITE")


def _waiting(top: str) -> Iterator[tuple[int, Lock]]:
    """Yield the locks that somebody waits for, with process ids; 0 where it is not known."""
    waiting = [line for line in _kernel_table()[0] if "->" in line]
    if not waiting:
        return
    paths = {str(file.inode()): file.path for file in _files(top)}
    for line in waiting:
        if path := paths.get(_inode(line)):
            pid = int(line.replace("->", "").split()[3])
            yield max(pid, 0), _lock(path, line)


def _kernel_table() -> tuple[list[str], bool]:
    """Return a line for each lock of the system and for each that is waited for; and if it is all.

    The kernel tells as much as fits in a page at a time. When locks come and go between one
    page and the next, others may be missing.
    """
    pages = []
    fd = os.open("/proc/locks", os.O_RDONLY)
    try:
        while page := os.read(fd, _PAGES):
            pages.append(page)
    finally:
        os.close(fd)
    lines = b"".join(pages).decode("ascii").splitlines()
    return [line.partition(":")[2] for line in lines], len(pages) <= 1


def _inode(line: str) -> str:
    return line.rsplit(maxsplit=3)[-3].rpartition(":")[2]


def _files(top: str) -> Iterator["os.DirEntry[str]"]:
    """Yield all that is below a directory."""
    try:
        with os.scandir(top) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
    except OSError:  # removed meanwhile
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


def main(arguments: list[str]) -> int:
    """Print the table; *arguments* are those after the program's name."""
    directory = arguments[0] if arguments else os.environ.get("TEST_DIR", "")
    if len(arguments) > 1 or directory.startswith("-") or not directory:
        problem = "one DIRECTORY, or TEST_DIR in the environment, says where to look"
    elif not os.path.isdir(directory):
        problem = f"{directory}: not a directory"
    else:
        sys.stdout.write(table(directory))
        return 0
    print(f"goldlock.inspect.lock_table: {problem}", file=sys.stderr)  # noqa: T201 - to who started it
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
