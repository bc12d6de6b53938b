# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks as the kernel tells of them: its table, /proc/locks, and the fdinfo of descriptors."""

# `goldlock wait` starts often, and pathlib takes 5 ms to load.

import os

from goldlock.linux import ROOM, pages, read

Span = tuple[int, int | None]
"""The first and the last byte of a range; None is the end of the file."""


class KernelLock:
    """A lock as the kernel tells of it, in /proc/locks and in a descriptor's fdinfo.

    system   "OFDLCK", "POSIX", "FLOCK" or "LEASE"; breaking: of a lease that somebody waits for
    exclusive  whether it is one to write; waiting: whether it is only asked for
    pid      who took it; -1 for an OFD lock, 0 for one of another PID namespace, or that has ended
    place    the file, as the kernel numbers it: "fe:00:1234"
    first    its first byte; last: its last one, None for the end of the file
    """

    __slots__ = ("breaking", "exclusive", "first", "last", "pid", "place", "system", "waiting")

    def __init__(self, line: str) -> None:
        """Read ``OFDLCK ADVISORY READ -1 fe:00:12 100 101``; ``->`` is before who waits."""
        words = line.split()
        self.waiting = words[0] == "->"
        self.system, state, kind, pid, self.place, first, last = words[self.waiting :]
        self.breaking = state == "BREAKING"
        self.exclusive = kind == "WRITE"
        self.pid = int(pid)
        self.first = int(first)
        self.last = None if last == "EOF" else int(last)

    @property
    def inode(self) -> str:
        """The number of its file, as it stands in `place`."""
        return self.place.rpartition(":")[2]

    def key(self) -> tuple[object, ...]:
        """Return what is equal for equal locks."""
        return self.waiting, self.pid, self.place, *self.wanted()

    def wanted(self) -> tuple[object, ...]:
        """Return what is equal for equal requests on one file."""
        return self.system, self.exclusive, self.first, self.last

    def overlaps(self, first: int, last: int | None) -> bool:
        """Return whether a byte of a range is one of the lock's."""
        return overlap((self.first, self.last), (first, last))


def overlap(one: Span, other: Span) -> bool:
    """Return whether two ranges of bytes have one in common."""
    (first, last), (other_first, other_last) = one, other
    return (last is None or other_first <= last) and (other_last is None or first <= other_last)


def covers(one: Span, other: Span) -> bool:
    """Return whether the first of two ranges of bytes has all of the second."""
    (first, last), (other_first, other_last) = one, other
    return first <= other_first and (
        last is None or (other_last is not None and other_last <= last)
    )


def locks_of_descriptor(pid: int, fd: int | str) -> list[KernelLock]:
    """Return the locks that a process has on an open file; raises OSError when it is gone."""
    return locks_in(read(f"/proc/{pid}/fdinfo/{fd}"))


def locks_in(info: str) -> list[KernelLock]:
    """Return the locks that the fdinfo of a descriptor tells of."""
    lines = info.split("\n")
    return [KernelLock(line.split(":", 2)[2]) for line in lines if line.startswith("lock:")]


_NEARLY_A_PAGE = 3500


def why_no_lock_table() -> str:
    """Return in a line why /proc/locks tells nothing here; nothing where it does.

    A container may have none, or put an empty file in its place, a sandbox refuse to open it.
    """
    try:
        fd = os.open("/proc/locks", os.O_RDONLY)
    except OSError as error:
        return f"/proc/locks cannot be read: {error.strerror}"
    try:
        masked = os.fstat(fd).st_dev != os.stat("/proc/self").st_dev  # noqa: PTH116 - as above
        return "/proc/locks is masked" if masked else ""
    finally:
        os.close(fd)


def all_locks() -> tuple[list[str], bool]:
    """Return the lines of /proc/locks, for `KernelLock`, and whether they are all.

    The kernel tells as much as fits in a page at a time. When locks come and go between one
    page and the next, others may be missing. They are none, and not all, where it cannot be read.
    """
    if why_no_lock_table():
        return [], False
    table = pages("/proc/locks")
    return _lines(b"".join(table)), len(table) <= 1


def few_locks() -> list[str] | None:
    """Return what `all_locks` does if it is less than a page, which takes no time; else None.

    None, too, where it cannot be read.
    """
    try:
        fd = os.open("/proc/locks", os.O_RDONLY)
    except OSError:
        return None
    try:
        page = os.read(fd, ROOM)
        if not page and why_no_lock_table():
            return None
        # To read on takes as long again: where the page is nearly full, there are many.
        return None if len(page) > _NEARLY_A_PAGE or os.read(fd, 1) else _lines(page)
    finally:
        os.close(fd)


_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""Its number in each kernel (PROC_PID_INIT_INO)."""


def hides_locks() -> bool:
    """Tell whether /proc/locks lacks locks, and who waits for them.

    It does in each process id namespace but the first, such as a container's (locks_show in
    fs/locks.c): flocks and leases that outlived the process that took them, and all but OFD locks
    of processes outside. The fdinfo of a descriptor has them. A masked table has none.
    """
    try:
        first = os.stat("/proc/self/ns/pid").st_ino == _FIRST_PID_NAMESPACE  # noqa: PTH116 - as above
    except FileNotFoundError:  # a kernel without any
        first = True
    return not first or bool(why_no_lock_table())


def _lines(table: bytes) -> list[str]:
    return [line.partition(":")[2] for line in table.decode("ascii").splitlines()]
