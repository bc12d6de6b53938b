# SPDX-License-Identifier: GPL-2.0-or-later
"""Image locks: the byte protocol by which QEMU processes keep out of each other's way.

Permission i (consistent read, write, write unchanged, resize) is two bytes of the
image file. Byte 100+i locked says "I use permission i"; byte 200+i locked says
"I do not share permission i". A holder takes one-byte read locks only. A
contender finds a conflict by asking whether a write lock could be had on the
opposite byte. The locks are open file description locks, so they live as long
as the open file and not as long as the process.
"""

import errno
import fcntl
import os
import struct

from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError

CONSISTENT_READ = 1
WRITE = 2
WRITE_UNCHANGED = 4
RESIZE = 8
ALL = 15
WRITERS = WRITE | WRITE_UNCHANGED | RESIZE

_NAMES = ("consistent read", "write", "write unchanged", "resize")
_USED_BASE = 100
_UNSHARED_BASE = 200
_F_OFD_GETLK = 36
_F_OFD_SETLK = 37
_setlk, _getlk = _F_OFD_SETLK, _F_OFD_GETLK
# struct flock of a 64-bit Linux: type, whence, start, length, pid, padding.
_FLOCK = struct.Struct("@hhqqi4x")


def names(permissions: int) -> str:
    """Return the names of a set of permissions, as QEMU's messages list them."""
    return ", ".join(name for i, name in enumerate(_NAMES) if permissions >> i & 1)


def _flock(kind: int, start: int, length: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)


def _set(fd: int, byte: int, kind: int) -> int:
    """Lock or unlock one byte; return 0 or an errno (EINTR is called again, by Python)."""
    try:
        fcntl.fcntl(fd, _setlk, _flock(kind, byte, 1))
    except OSError as failure:
        # EACCES and EAGAIN both mean "held by somebody else" to fcntl(2).
        return failure.errno or errno.EIO
    return 0


def _test(fd: int, byte: int) -> int:
    """Return 0 if a write lock could be had on `byte`, EAGAIN if not, or fcntl's errno."""
    try:
        answer = fcntl.fcntl(fd, _getlk, _flock(fcntl.F_WRLCK, byte, 1))
    except OSError as failure:
        return failure.errno or errno.EIO
    return 0 if _FLOCK.unpack(answer)[0] == fcntl.F_UNLCK else errno.EAGAIN


_ofd_available: bool | None = None


def ofd_available() -> bool:
    """Tell whether the kernel has OFD locks; asked once for a process, of /dev/null.

    Without them every lock from then on is a POSIX lock, of the process.
    """
    global _ofd_available, _setlk, _getlk  # noqa: PLW0603 - holds for the life of the process
    if _ofd_available is None:
        fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(fd, _F_OFD_GETLK, _flock(fcntl.F_WRLCK, 0, 0))
            _ofd_available = True
        except OSError:
            _ofd_available = False
            _setlk, _getlk = fcntl.F_SETLK, fcntl.F_GETLK
        finally:
            os.close(fd)
    return _ofd_available


def locking_wanted(option: str) -> bool:
    """Answer file.locking: `on`, `off` or `auto` (lock where OFD locks are available).

    With `on` and no OFD locks POSIX locks stand in, with QEMU's warning: they are
    lost with the first close of any descriptor of the file.
    """
    if option == "off":
        return False
    available = ofd_available()
    if option == "on" and not available:
        report.warn(
            "File lock requested but OFD locking syscall is unavailable, "
            "falling back to POSIX file locks"
        )
        report.write_report("Due to the implementation, locks can be lost unexpectedly.\n")
    return option == "on" or (option == "auto" and available)


def _lock_error(message: str, code: int) -> BlockError:
    """Return a failed lock or test: with errno text, unless the policy elides it."""
    policy = report.errno_policy()
    if policy == "none" or (policy == "elided" and code in (errno.EAGAIN, errno.EACCES)):
        return BlockError(message, code=code)
    return report.os_error(message, code)


def check(fd: int, used: int, shared: int) -> None:
    """Raise BlockError at the first permission that another open file keeps from us.

    Used permissions are looked for on the 200 bytes first, then what we do not
    share on the 100 bytes, each ascending: the order decides the message.
    """
    for i, name in enumerate(_NAMES):
        if used >> i & 1 and (code := _test(fd, _UNSHARED_BASE + i)):
            raise _lock_error(f'Failed to get "{name}" lock', code)
    for i, name in enumerate(_NAMES):
        if not shared >> i & 1 and (code := _test(fd, _USED_BASE + i)):
            raise _lock_error(f'Failed to get shared "{name}" lock', code)


class ByteLocks:
    """The bytes of one group (used or unshared permissions) held on one open file."""

    __slots__ = ("base", "held")

    def __init__(self, base: int) -> None:
        self.base = base
        self.held = 0

    def apply(self, fd: int, wanted: int, unlock: bool) -> None:
        """Lock what is wanted and not held; with `unlock`, give back what is held and unwanted.

        The first fcntl that fails raises BlockError; what was done before stays
        done and recorded, so that a roll-back finds it.
        """
        for i in range(len(_NAMES) + 1):
            bit = 1 << i
            if wanted & bit and not self.held & bit:
                if code := _set(fd, self.base + i, fcntl.F_RDLCK):
                    raise _lock_error(f"Failed to lock byte {self.base + i}", code)
                self.held |= bit
            elif unlock and self.held & bit and not wanted & bit:
                if code := _set(fd, self.base + i, fcntl.F_UNLCK):
                    message = f"Failed to unlock byte {self.base + i}"
                    if report.errno_policy() == "none":
                        raise BlockError(message, code=code)
                    raise report.os_error(message, code)
                self.held &= ~bit


class ImageLocks:
    """The locks of one open image: prepare takes and tests, commit or abort settles.

    `used` and `shared` are the permissions of the last commit. Every descriptor
    is passed in, because a change between read-only and read-write brings a new
    one in the middle of a transaction.
    """

    __slots__ = ("_unshared", "_used", "shared", "used")

    def __init__(self) -> None:
        self.used = 0
        self.shared = ALL
        self._used = ByteLocks(_USED_BASE)
        self._unshared = ByteLocks(_UNSHARED_BASE)

    def prepare(self, fd: int, used: int, shared: int, filename: str) -> None:
        """Take what (`used`, `shared`) needs beyond what is held, and look for conflicts.

        On a conflict BlockError carries QEMU's question about `filename`, and what
        was newly locked is unlocked again. Asking for less than before does nothing.
        """
        if self.used | used == self.used and self.shared & shared == self.shared:
            return
        try:
            self._apply(fd, self.used | used, self.shared & shared, unlock=False)
            try:
                check(fd, used, shared)
            except BlockError as failure:
                failure.hint = f"Is another process using the image [{filename}]?\n"
                raise
        except BlockError:
            # QEMU 5.2 gives up the lock, then the change of permissions: where an unlock
            # fails, each is heard.
            for _ in range(2 if report.errno_policy() == "none" else 1):
                self.abort(fd)
            raise

    def commit(self, fd: int, used: int, shared: int) -> None:
        """Give back what (`used`, `shared`) no longer needs; a failure is only a warning."""
        self._settle(fd, used, shared)
        self.used = used
        self.shared = shared

    def abort(self, fd: int) -> None:
        """Return to the locks of the last commit; a failure is only a warning."""
        self._settle(fd, self.used, self.shared)

    def _settle(self, fd: int, used: int, shared: int) -> None:
        try:
            self._apply(fd, used, shared, unlock=True)
        except BlockError as failure:
            report.warn(failure.message)

    def _apply(self, fd: int, used: int, shared: int, unlock: bool) -> None:
        self._used.apply(fd, used, unlock)
        self._unshared.apply(fd, ~shared & ALL, unlock)


def take(fd: int, used: int, shared: int) -> None:
    """Lock the bytes of (`used`, `shared`) on a descriptor that nothing keeps account of."""
    ByteLocks(_USED_BASE).apply(fd, used, unlock=False)
    ByteLocks(_UNSHARED_BASE).apply(fd, ~shared & ALL, unlock=False)


def release_all(fd: int) -> None:
    """Unlock every byte of the protocol, held or not; a failure is only a warning.

    QEMU up to 6.2 has one permission more, which nothing here uses; of those, only 5.2 is retold.
    """
    every = ALL | 1 << len(_NAMES) if report.errno_policy() == "none" else ALL
    for base in (_USED_BASE, _UNSHARED_BASE):
        group = ByteLocks(base)
        group.held = every
        try:
            group.apply(fd, 0, unlock=True)
        except BlockError as failure:
            report.warn(failure.message)
            return
