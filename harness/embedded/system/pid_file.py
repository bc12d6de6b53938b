# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of -pidfile: locked while its emulator lives, and gone when that has ended."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from goldlock.embedded.common.report import BlockError


class PidFile:
    """A file with our process id; it stays open, since a POSIX lock goes with a close."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise _cannot(f"Could not create '{path}': {failure.strerror}") from None
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            os.close(fd)
            raise _cannot(f"Cannot lock pid file: {failure.strerror}") from None
        os.ftruncate(fd, 0)
        os.write(fd, b"%d\n" % os.getpid())

    def remove(self) -> None:
        """Remove the file, if it is still there."""
        with suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108 - pathlib costs start-up


def _cannot(what: str) -> BlockError:
    return BlockError(f"cannot create PID file: {what}")
