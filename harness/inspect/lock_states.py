# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks that can be waited for: one that is held, or is not any more, or is wanted."""

# `goldlock wait` starts often, and pathlib takes 5 ms to load:
# ruff: noqa: PTH100, PTH110

import os

from goldlock.inspect import process_facts
from goldlock.inspect.file_locks import family, held, inodes
from goldlock.inspect.states import State, beside, named
from goldlock.kernel_locks import KernelLock, Span, all_locks, covers, hides_locks, overlap


def span_of(name: str, path: str, by: int = 0) -> Span:
    """Return the bytes of a file that the suite, or its kit, calls *name*.

    Where they are those of a pid, it is that of *by*. Raises ValueError for no such name.
    """
    from goldlock.lockcalls.words import byte_words  # few say a name

    words = byte_words()
    declared = [word for word in words.declared if word.is_for(os.path.abspath(path))]
    for word in declared:
        if word.name == name and word.is_pid and not by:
            raise ValueError(f"{name} is the pid of who locks it, and nothing says by whom")
        if word.name == name:
            return word.span(by)
    for byte, known in words.names.items():
        if known == name:
            return byte, byte
    names = ", ".join(dict.fromkeys([*(word.name for word in declared), *words.names.values()]))
    raise ValueError(f"no bytes of {path} are called {name!r}; there are: {names or 'none'}")


class Locked(State):
    """A lock is held on a file: on a span of bytes, or any; by a process, or what is below it.

    Where *part*, on some of the bytes.
    """

    def __init__(
        self,
        path: str,
        span: Span | None = None,
        by: int = 0,
        *,
        exclusive: bool = False,
        part: bool = False,
    ) -> None:
        self._path = path
        self._span = span
        self._part = part
        self._exclusive = exclusive
        self.needs = self._by = by

    def reached(self) -> bool:
        return any(self._fits(lock) for lock in held(self._path, self._by))

    def __str__(self) -> str:
        kind = "locked exclusively" if self._exclusive else "locked"
        by = f" by {named(self._by)}" if self._by else ""
        return f"{_bytes(self._span)}{self._path} to be {kind}{by}"

    def instead(self) -> str:
        return _locks_on(self._path)

    def _fits(self, lock: KernelLock) -> bool:
        if self._exclusive and not lock.exclusive:
            return False
        if self._span is None:
            return True
        meets = overlap if self._part else covers
        return meets((lock.first, lock.last), self._span)


class Unlocked(State):
    """No lock is held on a file: on none of a span of bytes; by a process, or anybody."""

    def __init__(self, path: str, span: Span | None = None, by: int = 0) -> None:
        self._path = path
        self._span = span
        self._by = by

    def reached(self) -> bool:
        span = self._span or (0, None)
        return not any(lock.overlaps(*span) for lock in held(self._path, self._by))

    def __str__(self) -> str:
        by = f" by {named(self._by)}" if self._by else ""
        return f"{_bytes(self._span)}{self._path} to be unlocked{by}"

    def instead(self) -> str:
        return _locks_on(self._path)


class Blocked(State):
    """A process, or one below it, waits in the kernel for a lock that is taken."""

    def __init__(self, pid: int) -> None:
        self.needs = self._pid = pid

    def reached(self) -> bool:
        waiting = [KernelLock(line) for line in all_locks()[0] if "->" in line]
        hidden = hides_locks()
        if not (waiting or hidden):
            return False
        pids = family(self._pid)
        if hidden and any(map(process_facts.waits_for_lock, pids)):
            return True
        if any(lock.pid in pids for lock in waiting):
            return True
        # A lock of an open file (OFD) does not say whose it is.
        files = {lock.inode for lock in waiting if lock.pid <= 0}
        return bool(files) and any(
            process_facts.waiting_tasks(pid) and not files.isdisjoint(inodes(pid)) for pid in pids
        )

    def __str__(self) -> str:
        return f"{named(self._pid)} to wait for a lock"

    def instead(self) -> str:
        return "; ".join(f"{named(pid)} is {process_facts.doing(pid)}" for pid in family(self._pid))


def _bytes(span: Span | None) -> str:
    if span is None:
        return ""
    from goldlock.lockcalls.words import range_words  # only where a wait was in vain

    return f"{range_words(*span)} of "


def _locks_on(path: str) -> str:
    """Say who has locks on a file."""
    from goldlock.inspect.lock_table import table  # only where a wait was in vain

    if not os.path.exists(path):
        return beside(path)
    lines = table(path).splitlines()
    return "\n  ".join(("its locks are:", *lines)) if lines else "nobody has a lock on it"
