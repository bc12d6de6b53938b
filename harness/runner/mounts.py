# SPDX-License-Identifier: GPL-2.0-or-later
"""What is mounted below a directory, and how it is unmounted."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from select import POLLPRI, poll

_MNT_DETACH = 2


class Table:
    """Tells whether anything was mounted or unmounted, without reading all that is."""

    def __init__(self) -> None:
        self._file = os.open("/proc/self/mountinfo", os.O_RDONLY)
        self._change = poll()
        self._change.register(self._file, POLLPRI)

    def changed(self) -> bool:
        """Tell whether it has changed since this was last asked, or made."""
        return bool(self._change.poll(0))


def below(folder: Path, *, itself: bool = False) -> list[tuple[Path, str]]:
    """Return the mount points below *folder*, the last first, each with its file system.

    With *itself* set, also the folder, if it is one.
    """
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - after each case
        table = file.read()
    top = os.fsencode(os.path.realpath(folder))
    for character in b"\\ \t\n":  # as the kernel writes them
        top = top.replace(bytes([character]), b"\\%03o" % character)
    start = top + b"/"
    if start not in table and not itself:
        return []
    found = []
    for line in table.splitlines():
        words = line.split()  # 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/x rw
        if words[4].startswith(start) or (itself and words[4] == top):
            point = words[4].decode("unicode_escape").encode("latin-1")
            found.append((Path(os.fsdecode(point)), os.fsdecode(words[words.index(b"-") + 1])))
    return found[::-1]


def clear(folder: Path, *, itself: bool = False) -> list[str]:
    """Unmount what is mounted below *folder*, or on it with *itself* set; describe it."""
    return [_unmount(point, kind) for point, kind in below(folder, itself=itself)]


def _unmount(point: Path, kind: str) -> str:
    said = f"{kind} mounted on {point}"
    libc = ctypes.CDLL(None, use_errno=True)
    if not libc.umount2(os.fsencode(point), _MNT_DETACH):
        return said
    why = os.strerror(ctypes.get_errno())
    for helper in ("fusermount3", "fusermount"):  # what may be mounted by anybody is FUSE
        if shutil.which(helper):
            done = subprocess.run([helper, "-uz", point], capture_output=True, check=False)
            if not done.returncode:
                return said
    return f"{said}, which cannot be unmounted: {why}"


def remove_tree(folder: Path) -> None:
    """Remove a directory, unless something is mounted in it, the files of which are others'."""
    if below(folder):
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:  # deeper than Python can go
        subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)
