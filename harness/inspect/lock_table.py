# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds which locks, in words, as the kernel tells of them.

    .: all bytes, exclusive (flock): git (pid 5, holder)
    t.db: bytes 120-127, shared (POSIX): sqlite3 (pid 7, holder)
    t.qcow2: byte 101, it may write: qemu-system-x86_64 (pid 7, holder)
    state: all bytes, exclusive (flock): flock (pid 9, contender)

A line for each file and lock, in the order of files and bytes; a contender waits for it. A process
has the name that a trace has for it. What a byte means is in the words of a suite or its kit
(`goldlock.lockcalls.words`), where there are some. From other languages:

    "$PYTHON" -m goldlock.inspect.lock_table [PATH]      (default: TEST_DIR)

Both sides use this; it is all standard library.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH119

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from goldlock.environment import NOTRUN_STATUS
from goldlock.inspect.lock_search import Key, Look, listed_on
from goldlock.inspect.open_files import Files, locked_files
from goldlock.inspect.states import one_line, place_of
from goldlock.kernel_locks import KernelLock, few_locks, hides_locks, why_no_lock_table
from goldlock.lockcalls import FAULTS_VARIABLE
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words, range_text, range_words

USAGE = """\
Show who holds, or waits for, which lock on a file, or on a directory and all below it.

  goldlock locks [PATH]     (default: TEST_DIR)

A line for each file and lock: which bytes, shared or exclusive, and by which process; that of
another user is not always known. GOLDLOCK_KIT names the kit that knows what bytes mean.

Exit status: 77 where the system does not tell who waits.
"""

NOBODY = "nobody holds a lock\n"
"""What a person is told in place of an empty table."""

_SYSTEMS = {"OFDLCK": "OFD", "POSIX": "POSIX", "FLOCK": "flock", "LEASE": "lease"}
_LAST = 2**63
"""Sorts after each byte of a file."""


class Lock(NamedTuple):
    """A lock on bytes of a file: *last* is None for its end; *system* OFD, POSIX, flock, lease."""

    path: str
    first: int
    last: int | None
    system: str
    exclusive: bool
    breaking: bool = False
    """Whether it is a lease that its holder is asked to give back."""

    @classmethod
    def of(cls, path: str, lock: KernelLock) -> "Lock":
        """Return a lock as the kernel tells of it."""
        system = _SYSTEMS.get(lock.system, lock.system)
        return cls(path, lock.first, lock.last, system, lock.exclusive, lock.breaking)

    def describe(self, words: ByteWords, pid: int) -> str:
        """Return which bytes a process has locked, and what that means, where it is known."""
        text = range_words(self.first, self.last)
        if words.is_pid(self.path, self.first, self.last, pid):
            text = "the byte of its pid"
        meaning = words.meaning(self.path, self.first, self.last, pid)
        text += meaning and f", {meaning}"
        if self.breaking:
            text += ", to be given back"
        elif self.exclusive or not meaning or meaning != words.meanings.get(self.first):
            text += ", exclusive" if self.exclusive else ", shared"
        return text + ("" if self.system == "OFD" else f" ({self.system})")

    def each(self, words: ByteWords) -> "Iterator[Lock]":
        """Yield a lock for each byte, where all of them have a meaning to the kit; else itself."""
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
        words = [range_text(*each) for each in self.ranges]
        plural = "s" if len(words) > 1 or "-" in words[0] else ""
        return f"byte{plural} {' '.join(words)} of {name}"


def held_by(pid: int) -> list[Held]:
    """Return the locks that a process holds; none for one that is gone, or somebody else's."""
    found: dict[tuple[str, str], set[tuple[int, int | None]]] = defaultdict(set)
    for file in locked_files(pid):
        for each in file.locks():
            lock = Lock.of(file.said, each)
            found[lock.path, lock.system].add((lock.first, lock.last))
    return [Held(path, _joined(ranges), system) for (path, system), ranges in sorted(found.items())]


def table(path: str, words: ByteWords | None = None) -> str:
    """Return who holds or waits for which lock on *path* and all below it, a line each.

    The empty string where nothing is locked. *words* are what bytes are called, by default those
    that the environment names. Raises FileNotFoundError where nothing is at *path*.

    Elsewhere than in a case, all processes are asked. In a case only the case's are, as its cost
    must not grow with what others do; and others where the kernel's table is short and tells of
    a lock that none of the case's has. What a process has open for those that it starts, it holds
    alone.
    """
    top = os.path.realpath(path, strict=True)
    return _text(Look(top), byte_words() if words is None else words)


def locks_below(directory: str) -> set[Lock]:
    """Return all locks on *directory* and files below it; quicker than `table`.

    Whoever holds them; but in a case only the case's, where there are many on the machine.
    """
    top = os.path.realpath(directory, strict=True)
    lines, files = few_locks(), Files(top)
    if lines is None or files.served or hides_locks():
        return {Lock.of(each.path, each.kernel) for each in Look(top).held}
    found = listed_on(files, lines)
    return {Lock.of(each.path, each.kernel) for each in found if not each.kernel.waiting}


class Watch:
    """Tells the table of a directory only where it has changed, as it is asked for often."""

    def __init__(self, directory: str) -> None:
        self._top = os.path.realpath(directory)
        self._last: Counter[Key] | None = None

    def changed(self, likely: Collection[int]) -> str | None:
        """Return the table; None when all locks are as they were the last time.

        To ask the processes that are *likely* to hold them is much quicker than to ask all.
        """
        look = Look(self._top, likely)
        if look.keys() == self._last:
            return None
        self._last = look.keys()
        return _text(look, byte_words())


def _text(look: Look, words: ByteWords) -> str:
    """Return a line for each lock and process."""
    rows = {
        _row(look, lock, words, each.pid, "holder")
        for each in look.held
        for lock in Lock.of(each.path, each.kernel).each(words)
    }
    rows |= {
        _row(look, Lock.of(each.path, each.kernel), words, each.pid, "contender")
        for each in look.waiting
    }
    return "".join(f"{row[-1]}\n" for row in sorted(rows))


def _row(
    look: Look, lock: Lock, words: ByteWords, pid: int, role: str
) -> tuple[str, int, int, bool, str, int, str]:
    name = look.name(pid) if pid > 0 else "a process"
    who = f"pid {pid}, {role}" if pid > 0 else role
    path, first = look.files.name(lock.path), lock.first
    last = _LAST if lock.last is None else lock.last
    if words.is_pid(lock.path, first, lock.last, pid):
        first = last = _LAST  # pids are in another order each time
    text = one_line(f"{path}: {lock.describe(words, pid)}: {name} ({who})")
    return path, first, last, role != "holder", name, pid, text


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
    path = arguments[0] if arguments else os.environ.get("TEST_DIR", "")
    if len(arguments) > 1 or path.startswith("-") or not path:
        return _told("one PATH, or TEST_DIR in the environment, says where to look")
    if why := why_no_lock_table():
        _told(why)
        return NOTRUN_STATUS
    return _told(_print_table(path))


def _told(problem: str) -> int:
    """Say what the problem is, if any; return the exit status."""
    if problem:
        print(f"goldlock locks: {one_line(problem)}", file=sys.stderr)  # noqa: T201 - to who started it
    return 2 if problem else 0


def _print_table(path: str) -> str:
    """Print the table, and lock files; return what kept it from being printed."""
    try:
        return _print(table(path) + _lock_files(path) or NOBODY)
    except ValueError as error:
        return f"{KIT_VARIABLE}: {error}"
    except OSError as error:
        return f"{place_of(error, path)}: {error.strerror}"


def _lock_files(path: str) -> str:
    if not os.environ.get(FAULTS_VARIABLE):
        return ""
    from goldlock.inspect.lock_files import lock_files  # 10 ms, where somebody knows of some

    return lock_files(path)


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
