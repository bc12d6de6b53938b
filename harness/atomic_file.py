# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a file so that it is the old one or the new one, whole, whatever happens.

The new text goes to a temporary file beside it, under a name that nobody can guess, and takes its
place when all of it is on the disk. The temporary file is locked for as long as it is written: one
that is not locked was left by a run that was killed.
"""

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from goldlock.safe_open import require_regular

_LEFT = re.compile(r"\..+\.[0-9a-f]{16}\.goldlock", re.S)
"""A temporary file: ``.NAME.TOKEN.goldlock``."""

_NAME_LENGTH = 200
"""Bytes of the name that are in that of the temporary file; a name has 255 at most."""


def replace(path: Path, data: bytes) -> None:
    """Make *data* what is in a file. Owner and mode stay its own.

    A symbolic link stays, and what it leads to is written. Raises OSError, also for what is no
    regular file; the file is then as it was.
    """
    given, path = path, target(path)
    if old := _status(path):
        require_regular(given, old, limit=None)
    temporary, descriptor = _create(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if old:
                _keep_owner(descriptor, old)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            os.fsync(descriptor)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def target(path: Path) -> Path:
    """Return the file that is to be written: what a symbolic link leads to, be it there or not.

    Raises OSError for a link of another user, in a folder that is not that user's.
    """
    if not path.is_symlink():
        return path
    if path.lstat().st_uid not in (os.geteuid(), path.parent.stat().st_uid):
        raise OSError(errno.ELOOP, "is another user's symbolic link", str(path))
    return path.resolve()


def check(path: Path) -> None:
    """Raise OSError where a file could not be written; nothing is left of the attempt."""
    path = target(path)
    if old := _status(path):
        require_regular(path, old, limit=None)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", str(path))
    temporary, descriptor = _create(path)
    os.close(descriptor)
    temporary.unlink()


def clear(folder: Path) -> list[Path]:
    """Remove the temporary files that runs which were killed have left in a folder; return them."""
    try:
        names = [name for name in os.listdir(folder) if _LEFT.fullmatch(name)]  # noqa: PTH208 - there may be thousands
    except OSError:
        return []
    return [path for path in map(folder.joinpath, sorted(names)) if _cleared(path)]


def _cleared(path: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else it is being written
                path.unlink()
                return True
        finally:
            os.close(descriptor)
    return False


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _create(path: Path) -> tuple[Path, int]:
    """Create a temporary file beside *path*, and lock it; return it with its descriptor."""
    while True:
        name = os.fsdecode(os.fsencode(path.name)[:_NAME_LENGTH])
        temporary = path.with_name(f".{name}.{os.urandom(8).hex()}.goldlock")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o666)
        with suppress(OSError):  # a file system without locks: then nothing is cleared, either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another run has cleared it before it was locked


def _keep_owner(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            raise OSError(error.errno, "is another user's, and would not stay so") from None
