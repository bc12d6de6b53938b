# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel will answer to a call on a POSIX lock, asked while the call is held.

Such a lock belongs to a process, and only the kernel can carry out its calls.  F_GETLK tells
who is in the way of one; a lock of the caller itself is not.  Other supervised calls wait for
this supervisor meanwhile, so what it finds is what the kernel will find, unless the call that
was let through before has not been carried out yet.
"""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH123

import errno
import fcntl
import os

from goldlock import linux
from goldlock.kernel_locks import KernelLock, all_locks, covers, why_no_lock_table
from goldlock.lockcalls.calls import Call, UncertainError

LAST_BYTE = 2**63 - 1
_READS = 10
"""How often the kernel's table is read, at most, until it says the same of a file twice."""
TRIES = 200
"""How often it is looked whether a call has been carried out, which takes microseconds."""


def in_the_way(call: Call, copy: int) -> int | None:
    """Return who will be in the way of a call: a process id, -1 for an OFD lock, None: nobody.

    Raises OSError as the call would, UncertainError.
    """
    found = _in_range(call, copy)  # the range is looked at first
    access = fcntl.fcntl(copy, fcntl.F_GETFL) & os.O_ACCMODE
    if call.call == "lock" and access == (os.O_WRONLY if call.kind == "read" else os.O_RDONLY):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return found


def _in_range(call: Call, copy: int) -> int | None:
    kind = fcntl.F_WRLCK if call.kind == "write" else fcntl.F_RDLCK
    ranges = [(call.first, LAST_BYTE if call.last is None else call.last)]
    while ranges:  # a range with a lock of the caller's own is looked at on both sides of it
        first, last = ranges.pop()
        length = 0 if last == LAST_BYTE else last - first + 1
        found, _, start, size, pid = linux.FLOCK.unpack(
            fcntl.fcntl(copy, fcntl.F_GETLK, linux.flock(kind, first, length))
        )
        if found == fcntl.F_UNLCK:
            continue
        if pid != call.pid:
            return int(pid)
        if found == fcntl.F_RDLCK:  # others may share it
            if (other := _others(call, first, last)) is not None:
                return other
            continue
        end = start + size - 1 if size else LAST_BYTE
        ranges += [each for each in ((end + 1, last), (first, start - 1)) if each[0] <= each[1]]
    return None


def _others(call: Call, first: int, last: int) -> int | None:
    """Return who else has a lock in a range, where the caller has one."""
    locks = _locks(call.file[1])
    places = {lock.place for lock in locks if lock.system == "POSIX" and lock.pid == call.pid}
    if not places:
        raise UncertainError
    for lock in locks:
        own = lock.system == "POSIX" and lock.pid == call.pid
        if not own and lock.place in places and lock.overlaps(first, last):
            return lock.pid
    return None


def _locks(inode: int) -> list[KernelLock]:
    """Return the POSIX and OFD locks on files with an inode number.

    A table that is not read at once may lack some, as locks of others come and go: it is read
    until what it has of these files is twice the same.
    """
    lines, at_once = _lines_of(inode)
    for _ in range(0 if at_once else _READS):
        before, (lines, at_once) = lines, _lines_of(inode)
        if at_once or before == lines:
            break
    else:
        if not at_once:
            raise UncertainError
    locks = [KernelLock(line) for line in lines]
    return [each for each in locks if each.system in ("POSIX", "OFDLCK") and not each.waiting]


def _lines_of(inode: int) -> tuple[list[str], bool]:
    lines, at_once = all_locks()
    if not (lines or at_once) and why_no_lock_table():
        raise UncertainError
    return [line for line in lines if f":{inode} " in line], at_once


class Unsettled:
    """The call that was let through last on each file, until it is known to be carried out.

    It may have failed, or its lock be gone again when it is.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], Call] = {}

    def add(self, call: Call) -> None:
        """Note a call that is about to be let through, if it will change something."""
        if call.call in ("lock", "unlock"):
            self._calls[call.file] = call

    def settle(self, call: Call) -> bool:
        """Wait until the call before, of another process on the same file, has been carried out.

        Return whether it is known to be.
        """
        before = self._calls.pop(call.file, None)
        if before is None or before.pid == call.pid:
            return True
        for _ in range(TRIES):
            if is_elsewhere(before) or _is_done(before):
                return True
            os.sched_yield()
        return False


def is_elsewhere(call: Call) -> bool:
    """Return whether the thread that made a call waits in another one, or has ended."""
    try:
        with open(f"/proc/{call.tid}/syscall", encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return True
    return words[0] not in ("running", str(call.number))


def _is_done(call: Call) -> bool:
    """Return whether the kernel's table has what a call asked for."""
    try:
        locks = _locks(call.file[1])
    except UncertainError:
        return False
    own = [lock for lock in locks if lock.system == "POSIX" and lock.pid == call.pid]
    if call.kind == "unlock":
        return not any(lock.overlaps(call.first, call.last) for lock in own)
    wanted = [lock for lock in own if lock.exclusive == (call.kind == "write")]
    return any(covers((lock.first, lock.last), (call.first, call.last)) for lock in wanted)
