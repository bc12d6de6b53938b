# SPDX-License-Identifier: GPL-2.0-or-later
"""Files where somebody may have put something else that blocks who reads it, or has no end.

That is a case in its own directory, or anybody in one that all can write to.
"""

import errno
import os
import stat
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file to read; raise OSError for a FIFO, a device, a link, a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def text(path: Path) -> str:
    """Return what a regular file says; nothing where there is none."""
    try:
        with TextIOWrapper(open_file(path), "utf-8", "replace") as file:
            return file.read()
    except OSError:
        return ""
