# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of fcntl(2) about locks on ranges of a file: OFD and POSIX records."""

import errno
import fcntl
import os
import stat
import struct

from goldlock import linux
from goldlock.kernel_locks import KernelLock
from goldlock.lockcalls import abi
from goldlock.lockcalls.calls import LockCall
from goldlock.lockcalls.copies import memory_of, write_memory
from goldlock.lockcalls.holders import program_name, same_open_file
from goldlock.lockcalls.posix import LAST_BYTE, in_the_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.lockcalls.seccomp import Notification

_I386_SMALL = struct.Struct("=hhiii")
_I386_LARGE = struct.Struct("=hhqqi")  # packed on i386, not on arm
_ARM_LARGE = struct.Struct("=hh4xqqi4x")

_POSIX = {5: fcntl.F_GETLK, 6: fcntl.F_SETLK, 7: fcntl.F_SETLKW}
_POSIX_64 = {12: fcntl.F_GETLK, 13: fcntl.F_SETLK, 14: fcntl.F_SETLKW}
_OFD = {36: fcntl.F_OFD_GETLK, 37: fcntl.F_OFD_SETLK, 38: fcntl.F_OFD_SETLKW}
_GETS = (fcntl.F_GETLK, fcntl.F_OFD_GETLK)
_WAITS = (fcntl.F_SETLKW, fcntl.F_OFD_SETLKW)
_WHENCE = (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)
_KINDS = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "unlock"}
_DEV_NULL = os.makedev(1, 3)


def _meaning(call: "Notification") -> tuple[int, struct.Struct] | None:
    """Return the native command and the layout of its struct flock, or None: no lock call."""
    command = call.args[1] & 0xFFFFFFFF
    if call.arch in (abi.X86_64, abi.AARCH64):
        found = _POSIX.get(command) or _OFD.get(command)
        return (found, linux.FLOCK) if found else None
    if command in _POSIX:
        return _POSIX[command], _I386_SMALL
    found = _POSIX_64.get(command) or _OFD.get(command)
    if found is None or call.number != abi.FCNTL64_32BIT:
        return None  # the old fcntl does not know these commands
    return found, _ARM_LARGE if call.arch == abi.ARM else _I386_LARGE


class RecordCall(LockCall):
    """A call of fcntl about a range of bytes."""

    refusals = (errno.EAGAIN,)

    def __init__(self, notification: "Notification") -> None:
        """Read the call; OSError when process or memory cannot be read, ValueError: no lock."""
        meaning = _meaning(notification)
        if meaning is None:
            raise ValueError("not a lock command")
        self._command, self._layout = meaning
        self._address = notification.args[2]
        self._found: int | None = None
        raw = memory_of(notification.tid, self._address, self._layout.size)
        if len(raw) < self._layout.size:
            raise OSError(errno.EFAULT, "struct flock crosses the end of memory")
        self._type, self._whence, self._start, self._length, self._owner = self._layout.unpack(raw)
        if self._type not in _KINDS:
            raise ValueError("not a lock type")
        if (self._command, self._type) == (fcntl.F_GETLK, fcntl.F_UNLCK):
            raise ValueError("not a lock to ask for")
        if self._whence not in _WHENCE:
            raise ValueError("not a place to count from")
        super().__init__(notification)
        try:
            self._make_absolute(self._status.st_size)
        except (OSError, ValueError):
            self.close()
            raise
        self.system = "OFD" if self._command in _OFD.values() else "POSIX"
        self.waits = self._command in _WAITS and self._type != fcntl.F_UNLCK
        self.kind = _KINDS[self._type]
        self.call = self._name()

    @property
    def performable(self) -> bool:
        return self.system == "OFD" and self._fd >= 0

    def _name(self) -> str:
        if self._command in _GETS:
            whole = (self.first, self.last) == (0, None)
            # QEMU asks this of /dev/null, to find out whether there are OFD locks.
            null = stat.S_ISCHR(self._status.st_mode) and self._status.st_rdev == _DEV_NULL
            return "probe" if whole and null else "test"
        return "unlock" if self._type == fcntl.F_UNLCK else "lock"

    def _make_absolute(self, size: int) -> None:
        """Count the range from the start of the file, as the kernel will.

        ValueError: it will find none, and no struct flock could have it.
        """
        if self._whence == os.SEEK_CUR and self._fd >= 0:
            self._start += os.lseek(self._fd, 0, os.SEEK_CUR)
        elif self._whence == os.SEEK_END:
            self._start += size
        given = self._start
        if self._length < 0:
            self._start, self._length = self._start + self._length, -self._length
        self.first = self._start
        self.last = self._start + self._length - 1 if self._length else None
        if not (self._start >= -LAST_BYTE and max(given, self._length) <= LAST_BYTE):
            raise ValueError("not a range of bytes")

    def perform(self) -> str:
        command = fcntl.F_OFD_SETLK if self.waits else self._command
        flock = linux.FLOCK.pack(self._type, os.SEEK_SET, self._start, self._length, self._owner)
        found = linux.FLOCK.unpack(fcntl.fcntl(self._fd, command, flock))
        if self._command not in _GETS:
            return "ok"
        self._write_memory(found)
        return "free" if found[0] == fcntl.F_UNLCK else "held"

    def foretell(self) -> str:
        if self._fd < 0:
            return super().foretell()
        found = in_the_way(self, self._fd)
        if self.call == "unlock":  # it was only to see whether the range can be one
            return "ok"
        self._found = found
        test = self._command in _GETS
        if self._found is None:
            return "free" if test else "ok"
        if not test:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return "held"

    def would_wait(self) -> bool:
        if not self.performable:
            return super().would_wait()
        flock = linux.FLOCK.pack(self._type, os.SEEK_SET, self._start, self._length, self._owner)
        try:
            found = linux.FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, flock))
        except OSError:  # as the call will, then
            return False
        return bool(found[0] != fcntl.F_UNLCK)

    def holders(self) -> list[str]:
        named = [name for pid in self.holding() if (name := program_name(pid))]
        return named or super().holders()

    def holding(self) -> list[int]:
        return [self._found] if self._found and self._found > 0 else super().holding()

    def _write_memory(self, found: tuple[int, ...]) -> None:
        nothing = found[0] == fcntl.F_UNLCK  # then the rest of the question stays as it was
        raw = struct.pack("@h", fcntl.F_UNLCK) if nothing else self._layout.pack(*found)
        write_memory(self.tid, self._address, raw)

    def _in_the_way(self, lock: KernelLock, pid: int, fd: int) -> bool:
        wanted = lock.exclusive or self.kind == "write"
        if not wanted or not lock.overlaps(self.first, self.last):
            return False
        if lock.system == "POSIX":
            return self.system == "OFD" or pid != self.pid
        own = self.system == "OFD" and same_open_file(pid, fd, self._fd)
        return lock.system == "OFDLCK" and not own
