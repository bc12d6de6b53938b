# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock call as its program means it, read out of the process that waits in it.

The supervisor carries out flock(2) and calls on open-file-description (OFD) locks itself, on a
duplicate of the descriptor (pidfd_getfd): such a lock belongs to the description, not to the
process, so it is the same call, and its result is known.  A POSIX lock belongs to the process:
those calls the kernel must carry out; what it will answer is asked beforehand (see records).

seccomp_unotify(2) warns that memory may change between a look and the kernel's own look.  That
matters to a sandbox; this is a test tool, and a program that races with itself is a bug to find.
"""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH115, PTH116

import errno
import fcntl
import os
from contextlib import suppress

from goldlock.kernel_locks import covers, locks_of_descriptor
from goldlock.lockcalls.copies import duplicate
from goldlock.lockcalls.holders import holders, openers, program_name, same_open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.kernel_locks import KernelLock
    from goldlock.lockcalls.seccomp import Notification

SHARED, EXCLUSIVE = "shared", "exclusive"
_LEASES = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "unlock"}
_FLOCKS = {fcntl.LOCK_SH: SHARED, fcntl.LOCK_EX: EXCLUSIVE, fcntl.LOCK_UN: "unlock"}


class UncertainError(Exception):
    """The kernel does not tell enough."""


class OtherCallError(Exception):
    """It is none of the calls that matter."""


class Call:
    """A call of a process that waits for its answer.  close() it after use.

    call     "lock", "unlock", "test", "probe", "flock", "flock unlock", "lease", "lease unlock", or
             what is done to a file: "create", "rename", ..., as in a plan
    kind     "read", "write" or "unlock"; of flock, "shared", "exclusive" or "unlock"; of files, ""
    first    first byte of the range; last: its last one, None: to the end of all files
    file     (device, inode) of the file; of a name, those of its folder
    pid      the process that makes the call; tid: its thread; number: that of the system call
    system   whose lock it is: "OFD", "POSIX" (the process's), "flock", "lease", or "file"
    waits    whether it waits for a lock that is taken
    refusals errors that mean no more than what was found: with them a call is answered
    sure     whether what is foretold is what the kernel will find
    hold     what those do that `holders` names
    performable  whether perform() can carry it out here
    """

    call: str
    kind: str
    system: str
    waits: bool
    file: tuple[int, int]
    pid: int
    tid: int
    number: int
    first = 0
    last: int | None = None
    refusals: tuple[int, ...] = ()
    sure = True
    hold = "held by"

    @property
    def performable(self) -> bool:
        return False

    def close(self) -> None:
        """Let go of what is held to look at the call."""

    def covers(self, first: int, last: int | None) -> bool:
        """Return whether the range of the call has all of these bytes."""
        return covers((self.first, self.last), (first, last))

    def path(self) -> str:
        """Return the path of the file, or the old one, as the kernel tells it."""
        raise NotImplementedError

    def is_on(self, path: str) -> bool:
        """Return whether the call is on the file that a path leads to now."""
        raise NotImplementedError

    def perform(self) -> str:
        """Carry out a call and return its result: "ok"; of a test, "free" or "held".

        Raises OSError as the call would.  BlockingIOError for a call that waits says only
        that it must: let it through, so that it is the program that waits.
        """
        raise NotImplementedError

    def foretell(self) -> str:
        """Return the result that the kernel will find, as `perform` does, whose errors it raises.

        UncertainError where it cannot be told.
        """
        raise UncertainError

    def would_wait(self) -> bool:
        """Return whether a call that waits would wait now; it is not made."""
        try:
            self.foretell()
        except BlockingIOError:
            return True
        except (OSError, UncertainError):
            return False
        return False

    def holders(self) -> list[str]:
        """Return the names of the supervised programs whose locks are in the way of the call."""
        return []

    def holding(self) -> list[int]:
        """Return the processes that `holders` has named, or would not have to look for."""
        return []


class LockCall(Call):
    """A call about a lock on an open file, by a descriptor: `program_fd` is the program's."""

    def __init__(self, notification: "Notification") -> None:
        """Find the file; OSError when the process cannot be looked into."""
        self.tid = notification.tid
        self.number = notification.number
        self._holders: list[tuple[int, int]] = []
        self.program_fd = notification.fd
        self.pid, self._fd = duplicate(self.tid, notification.fd)
        try:
            link = f"/proc/{self.tid}/fd/{notification.fd}"
            self._status = os.stat(link if self._fd < 0 else self._fd)
        except OSError:
            self.close()
            raise
        self.file = (self._status.st_dev, self._status.st_ino)

    @property
    def performable(self) -> bool:
        return self._fd >= 0

    def close(self) -> None:
        """Let go of the file.  Do it before the answer: an OFD lock lasts as long as a copy."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_on(self, path: str) -> bool:
        try:
            status = os.stat(path)  # now, not before: the file may be made or replaced meanwhile
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.file

    def path(self) -> str:  # with " (deleted)" after one that is gone
        try:
            return os.readlink(f"/proc/{self.tid}/fd/{self.program_fd}")
        except OSError as problem:
            if problem.errno != errno.ENAMETOOLONG:
                raise
            return "?"  # the kernel tells no path that is longer than one may be in a call

    def holders(self) -> list[str]:
        self._holders = holders(self.file, self._in_the_way)
        return sorted({program_name(pid) for pid in self.holding()} - {""})

    def holding(self) -> list[int]:
        return sorted({pid for pid, _ in self._holders})

    def is_still_refused(self) -> bool:
        """Return whether one of the `holders` that were found has its lock still."""
        for pid, fd in self._holders:
            with suppress(OSError):  # it is gone
                if any(self._in_the_way(lock, pid, fd) for lock in locks_of_descriptor(pid, fd)):
                    return True
        return False

    def _in_the_way(self, lock: "KernelLock", pid: int, fd: int) -> bool:
        raise NotImplementedError


class LeaseCall(LockCall):
    """A call of fcntl(2) about a lease: to be told, by a signal, before another opens a file."""

    system = "lease"
    waits = False
    hold = "open in"

    def __init__(self, notification: "Notification") -> None:
        """Read the call; OSError as for all calls, ValueError: no kind of lease."""
        self._type = notification.args[2] & 0xFFFFFFFF
        if self._type not in _LEASES:
            raise ValueError("not a kind of lease")
        self.kind = _LEASES[self._type]
        self._openers: list[int] = []
        self.call = "lease unlock" if self.kind == "unlock" else "lease"
        super().__init__(notification)

    @property
    def performable(self) -> bool:  # the signals are for the process that takes it
        return False

    def foretell(self) -> str:
        """Try it, and undo it; whose the signals are must be as it was, too."""
        if self._fd < 0:
            return super().foretell()
        if self.kind == "unlock":  # one that is about to be broken is there still
            locks = locks_of_descriptor(self.pid, self.program_fd)
            if not any(lock.system == "LEASE" for lock in locks):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return "ok"
        before = fcntl.fcntl(self._fd, fcntl.F_GETLEASE)
        owner = fcntl.fcntl(self._fd, fcntl.F_GETOWN)
        fcntl.fcntl(self._fd, fcntl.F_SETLEASE, self._type)
        fcntl.fcntl(self._fd, fcntl.F_SETLEASE, before)
        fcntl.fcntl(self._fd, fcntl.F_SETOWN, owner)
        return "ok"

    def holders(self) -> list[str]:
        if self.kind != "unlock":  # one that is not there is in nobody's way
            self._openers = openers(self.file, self._fd, writing=self.kind == "read")
        return sorted({program_name(pid) for pid in self._openers} - {""})

    def holding(self) -> list[int]:
        return self._openers


class FlockCall(LockCall):
    """A call of flock(2), about all of a file."""

    system = "flock"

    def __init__(self, notification: "Notification") -> None:
        """Read the call; OSError as for all calls, ValueError: no operation of flock."""
        self._operation = notification.args[1] & 0xFFFFFFFF
        kind = _FLOCKS.get(self._operation & ~fcntl.LOCK_NB)
        if kind is None:
            raise ValueError("not an operation of flock")
        self.kind = kind
        self.call = "flock unlock" if kind == "unlock" else "flock"
        self.waits = self.call == "flock" and not self._operation & fcntl.LOCK_NB
        super().__init__(notification)

    def perform(self) -> str:
        fcntl.flock(self._fd, self._operation | fcntl.LOCK_NB)
        return "ok"

    def would_wait(self) -> bool:
        return bool(self.holders())

    def _in_the_way(self, lock: "KernelLock", pid: int, fd: int) -> bool:
        wanted = lock.system == "FLOCK" and (lock.exclusive or self.kind == EXCLUSIVE)
        return wanted and not same_open_file(pid, fd, self._fd)
