# SPDX-License-Identifier: GPL-2.0-or-later
"""Regular files of bounded size, where somebody may have put something else.

That is a case in its own directory, or anybody in one that all can write to: a FIFO or a device
blocks who opens or reads it, or has no end; a link leads elsewhere.
"""

import errno
import os
import stat
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

LIMIT = 256 * 1024 * 1024
"""Bytes of a file at most, unless asked for otherwise: as many as a case may print."""

_PART = 1024 * 1024
"""Bytes that are read at a time: there has to be memory for as many, before any are there."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}


def require_regular(path: str | Path, found: os.stat_result, limit: int | None = LIMIT) -> None:
    """Raise OSError, whose text says what it is, unless a file is a regular one, and not too large.

    *found* is what the system tells of it; without a *limit*, any size will do.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"is {kind}, not a file", str(path))
    if limit is not None and found.st_size > limit:
        raise OSError(errno.EFBIG, f"has {found.st_size} bytes, more than {limit}", str(path))


def open_file(path: str | Path, *, follow: bool = False, limit: int | None = LIMIT) -> BinaryIO:
    """Open a regular file to read; raises OSError as `require_regular` does.

    With *follow*, a symbolic link may lead to it.
    """
    require_regular(path, os.stat(path, follow_symlinks=follow), limit)  # noqa: PTH116 - for each case
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    try:
        require_regular(path, os.fstat(descriptor), limit)  # it may be another by now
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read(path: str | Path, *, follow: bool = False) -> bytes:
    """Return all that a regular file has; raises OSError as `open_file` does."""
    parts, left = [], LIMIT
    with open_file(path, follow=follow) as file:
        while part := file.read(min(left, _PART)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def text(path: Path) -> str:
    """Return what a regular file says; nothing where there is none."""
    try:
        with TextIOWrapper(open_file(path), "utf-8", "replace") as file:
            return file.read(LIMIT)
    except OSError:
        return ""
