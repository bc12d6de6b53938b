# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds which locks, in words, as the kernel tells of them.

    .: all bytes, exclusive (flock): git (pid 5, holder)
    t.db: bytes 120-127, shared (POSIX): sqlite3 (pid 7, holder)
    t.qcow2: byte 101, it may write: qemu-system-x86_64 (pid 7, holder)
    state: all bytes, exclusive (flock): flock (pid 9, contender)

A line for each file and lock, in the order of files and bytes; a contender waits for it. What
a byte means is in the words of a kit (`goldlock.lockcalls.words`), where there is one.
From other languages:

    "$PYTHON" -m goldlock.inspect.lock_table [DIRECTORY]      (default: TEST_DIR)

Both sides use this; it is all standard library. A lock of an open file (OFD) does not say
whose it is: the processes that have the file open are asked.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH112, PTH115, PTH116, PTH119, PTH208

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from goldlock.inspect import processes
from goldlock.linux import KernelLock, all_locks, few_locks, locks_of_descriptor
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words

USAGE = """\
Show who holds, or waits for, which lock on a directory and the files below it.

  goldlock locks [DIRECTORY]     (default: TEST_DIR)

A line for each file and lock: which bytes, shared or exclusive, and by which process. Processes
of other users are not seen. GOLDLOCK_KIT names the kit that knows what bytes mean.
"""

_SYSTEMS = {"OFDLCK": "OFD", "POSIX": "POSIX", "FLOCK": "flock"}
_LAST = 2**63
"""Sorts after each byte of a file."""


class Lock(NamedTuple):
    """A lock on bytes of a file: *last* is None for its end; *system* OFD, POSIX or flock."""

    path: str
    first: int
    last: int | None
    system: str
    exclusive: bool

    def describe(self, words: ByteWords) -> str:
        """Return which bytes are locked, and what that means, where it is known."""
        if (self.first, self.last) == (0, None):
            text = "all bytes"
        elif self.last is None:
            text = f"bytes {self.first} and up"
        elif self.first == self.last:
            text = f"byte {self.first}"
        else:
            text = f"bytes {self.first}-{self.last}"
        meaning = words.meanings.get(self.first, "") if self.first == self.last else ""
        meaning = meaning and f", {meaning}"
        if self.exclusive or not meaning:
            meaning += ", exclusive" if self.exclusive else ", shared"
        return f"{text}{meaning}" + ("" if self.system == "OFD" else f" ({self.system})")

    def each(self, words: ByteWords) -> "Iterator[Lock]":
        """Yield a lock for each byte, where all of them have a meaning; else itself."""
        most = self.first + len(words.meanings)
        if self.last is None or self.last >= most:
            yield self
            return
        bytes_ = range(self.first, self.last + 1)
        if all(byte in words.meanings for byte in bytes_):
            yield from (self._replace(first=byte, last=byte) for byte in bytes_)
        else:
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
    for each in _locks_of(pid, ""):
        found[each.lock.path, each.lock.system].add((each.lock.first, each.lock.last))
    return [Held(path, _joined(ranges), system) for (path, system), ranges in sorted(found.items())]


def table(directory: str, words: ByteWords | None = None) -> str:
    """Return who holds or waits for which lock on *directory* and files below it, a line each.

    The empty string where nothing is locked. *words* are what bytes are called, by default by
    the kit that the environment names. Locks of processes that this one may not look
    into are not in it, and in a case only those of the case's processes: the cost must not grow
    with what others do. What a process has open for the programs that it starts, it holds alone.
    """
    top = os.path.realpath(directory)
    return _Look(top).text(byte_words() if words is None else words)


def locks_below(directory: str) -> set[Lock]:
    """Return all locks on *directory* and files below it; quicker than `table`.

    Whoever holds them; but in a case only the case's, where there are many on the machine.
    """
    top = os.path.realpath(directory)
    lines = few_locks()
    if lines is None:
        return {each.lock for pid in processes.pids_of_case(top) for each in _locks_of(pid, top)}
    paths = _paths(top)
    found = [(paths[lock.inode], lock) for lock in _on(paths, lines)]
    return {_lock(path, lock) for path, lock in found if not lock.waiting}


class Watch:
    """Tells the table of a directory only where it has changed, as it is asked for often."""

    def __init__(self, directory: str) -> None:
        self._top = os.path.realpath(directory)
        self._last: Counter[tuple[bool, tuple[object, ...]]] | None = None

    def changed(self, likely: Iterable[int]) -> str | None:
        """Return the table; None when all locks are as they were the last time.

        To ask the processes that are *likely* to hold them is much quicker than to ask all.
        """
        lines, look = few_locks(), None
        if lines is None:
            look = _Look(self._top)
            now = look.keys()
        else:
            on_files = _on(_paths(self._top), lines)
            now = Counter((each.waiting, each.key()) for each in on_files)
        if now == self._last:
            return None
        self._last = now
        likely_ones = look or _Look(self._top, likely, lines)
        if likely_ones.keys() != now:
            return table(self._top)
        return likely_ones.text(byte_words())


class _Look:
    """The locks on a directory's files at one moment, and who has them or waits for them."""

    def __init__(
        self, top: str, pids: Iterable[int] | None = None, lines: list[str] | None = None
    ) -> None:
        pids = processes.pids_of_case(top) if pids is None else [*pids]
        lines = few_locks() if lines is None else lines
        self._top = top
        self._held = [each for pid in pids for each in _locks_of(pid, top)]
        if lines is None:  # so many that they are not read for nothing
            lines = all_locks()[0] if processes.any_waits(pids) else []
        waiting = [line for line in lines if "->" in line]
        self._paths = _paths(top) if waiting else {}
        self._waiting = list(_on(self._paths, waiting))

    def keys(self) -> "Counter[tuple[bool, tuple[object, ...]]]":
        """Return what is equal as long as all locks are."""
        held = Counter((False, each.kernel.key()) for each in self._held)
        held.update((True, lock.key()) for lock in self._waiting)
        return held

    def text(self, words: ByteWords) -> str:
        """Return a line for each lock and process."""
        rows = {
            _row(lock, self._top, words, (each.pid, "holder"))
            for each in self._held
            if not _inherited(each, self._held)
            for lock in each.lock.each(words)
        }
        rows |= {
            _row(_lock(self._paths[each.inode], each), self._top, words, (each.pid, "contender"))
            for each in self._waiting
        }
        return "".join(f"{row[-1]}\n" for row in sorted(rows))


class _Found(NamedTuple):
    """A lock where it was found: process, descriptor, what the kernel says of it."""

    pid: int
    fd: str
    kernel: KernelLock
    lock: Lock


def _inherited(one: _Found, held: list[_Found]) -> bool:
    """Tell whether a process has a lock only as it was started with the file open."""
    same = {each.pid for each in held if (each.fd, each.lock) == (one.fd, one.lock)} - {one.pid}
    return bool(same) and not same.isdisjoint(processes.ancestors(one.pid))


def _row(
    lock: Lock, top: str, words: ByteWords, whose: tuple[int, str]
) -> tuple[str, int, int, bool, str, int, str]:
    pid, role = whose
    name = processes.name(pid) if pid > 0 else "a process"
    who = f"pid {pid}, {role}" if pid > 0 else role
    path = lock.path[len(top) + 1 :] or "."
    last = _LAST if lock.last is None else lock.last
    text = f"{path}: {lock.describe(words)}: {name} ({who})"
    return path, lock.first, last, role != "holder", name, pid, text


def _locks_of(pid: int, top: str) -> Iterator[_Found]:
    """Yield the locks of a process on a directory and what is below; of "", on all files."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # gone, or somebody else's
        return
    for fd in descriptors:
        try:
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
            if path != top and not path.startswith(f"{top}/"):
                continue
            locks = locks_of_descriptor(pid, fd)
        except OSError:  # closed meanwhile
            continue
        for lock in locks:
            yield _Found(pid, fd, lock, _lock(path, lock))


def _lock(path: str, lock: KernelLock) -> Lock:
    system = _SYSTEMS.get(lock.system, lock.system)
    return Lock(path, lock.first, lock.last, system, lock.exclusive)


def _on(paths: dict[str, str], lines: list[str]) -> Iterator[KernelLock]:
    """Yield the locks, of these lines of /proc/locks, on files by their inode numbers."""
    for line in lines:
        if line.rsplit(":", 1)[1].split(" ", 1)[0] in paths:
            yield KernelLock(line)


def _paths(top: str) -> dict[str, str]:
    """Return the paths of a directory and all below it, by inode numbers."""
    try:
        return {str(os.stat(top).st_ino): top, **{str(f.inode()): f.path for f in _files(top)}}
    except FileNotFoundError:
        return {}


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
    if arguments in (["-h"], ["--help"]):
        return _told(_print(USAGE))
    directory = arguments[0] if arguments else os.environ.get("TEST_DIR", "")
    if len(arguments) > 1 or directory.startswith("-") or not directory:
        problem = "one DIRECTORY, or TEST_DIR in the environment, says where to look"
    elif not os.path.isdir(directory):
        problem = f"{directory}: not a directory"
    else:
        problem = _print_table(directory)
    return _told(problem)


def _told(problem: str) -> int:
    """Say what the problem is, if any; return the exit status."""
    if problem:
        print(f"goldlock locks: {problem}", file=sys.stderr)  # noqa: T201 - to who started it
    return 2 if problem else 0


def _print_table(directory: str) -> str:
    """Print the table; return what kept it from being printed."""
    try:
        return _print(table(directory))
    except ValueError as error:
        return f"{KIT_VARIABLE}: {error}"
    except FileNotFoundError as error:
        return f"the current folder: {error.strerror}"


def _print(text: str) -> str:
    """Print *text*; return what kept it from being printed."""
    try:
        with open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as out:
            out.write(text)
    except OSError as error:
        return f"standard output: {error.strerror}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
