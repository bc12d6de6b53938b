# SPDX-License-Identifier: GPL-2.0-or-later
"""A name that one case at a time may have, be it of another run, or of a process of pytest-xdist.

It is a file that is locked meanwhile, in a folder of the user's. None of them is ever removed:
somebody may wait for it, while another makes it anew.
"""

import fcntl
import os
import re
from pathlib import Path
from select import select
from threading import Thread

from goldlock.errors import UsageError
from goldlock.runner.new_directory import temporary_folder


def hold(name: str, interrupt: int) -> int:
    """Wait until nobody has *name*; have it until the descriptor that is returned is closed.

    Raises UsageError where there can be no such file, and KeyboardInterrupt once the descriptor
    *interrupt* is readable.
    """
    folder = Path(temporary_folder()) / f"goldlock.{os.getuid()}"
    try:
        file = _open(folder, f"{re.sub('[^A-Za-z0-9.-]', '_', name)[:200]}.lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait(file, interrupt)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is ours, or this says why not
        os.utime(file)  # what is old is removed from there by others
    except OSError as error:
        why = f"{folder}: {error.strerror}; 'exclusive: {name}' needs it, TMPDIR can name"
        raise UsageError(f"{why} another place than {folder.parent}") from None
    return file


def _open(folder: Path, name: str) -> int:
    """Open a file in a folder that nobody else can write to, both made if need be."""
    folder.mkdir(mode=0o700, exist_ok=True)
    careful = os.O_NOFOLLOW | os.O_CLOEXEC
    ours = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | careful)
    try:
        if os.fstat(ours).st_uid != os.getuid():
            raise PermissionError(0, "another user's")
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | careful, 0o600, dir_fd=ours)
    finally:
        os.close(ours)


def _wait(file: int, interrupt: int) -> None:
    """Wait for a lock. A thread does: it can be left waiting when the process is to end."""
    done, write_end = os.pipe()
    Thread(target=_lock, args=(file, write_end), daemon=True).start()
    if interrupt in select([done, interrupt], [], [])[0]:
        raise KeyboardInterrupt
    os.close(done)


def _lock(file: int, write_end: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        os.close(write_end)
