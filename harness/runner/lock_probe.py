# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the file system that cases use takes OFD locks, and lets go of them as it should."""

import fcntl
import os
from errno import errorcode
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from goldlock import linux
from goldlock.runner import mounts


@cache
def why_no_ofd_locks(folder: Path) -> str:
    """Return in one line why there are no OFD locks in a scratch directory; nothing if there are.

    It names the folder that this is in. A network or FUSE file system may refuse them, or keep
    them when their file is closed. Raises OSError where there can be no file to lock: that is
    another trouble.
    """
    setlk, getlk = (getattr(fcntl, name, None) for name in ("F_OFD_SETLK", "F_OFD_GETLK"))
    if setlk is None or getlk is None:
        return "this Python knows no OFD locks"
    lock = linux.flock(fcntl.F_WRLCK, 0, 1)
    with NamedTemporaryFile(dir=folder, prefix="locks-") as file:
        try:
            with Path(file.name).open("r+b") as other:
                fcntl.fcntl(other, setlk, lock)
            found, *_ = linux.FLOCK.unpack(fcntl.fcntl(file, getlk, lock))
        except OSError as error:
            name = errorcode.get(error.errno or 0, "")
            return f"{_described(folder.parent)} refuses OFD locks: {error.strerror} ({name})"
    if found != fcntl.F_UNLCK:
        return f"{_described(folder.parent)} keeps an OFD lock whose file is closed"
    return ""


def _described(folder: Path) -> str:
    """Return ``/mnt/t (cifs)``: a folder, and the file system that it is on."""
    on = mounts.over(Path(os.path.realpath(folder)))
    kind = max(on, key=lambda mount: len(mount.point.parts)).kind if on else "?"
    return f"{folder} ({kind})"
