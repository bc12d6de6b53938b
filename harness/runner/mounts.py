# SPDX-License-Identifier: GPL-2.0-or-later
"""What is mounted below a directory, or attached to a file in it, and how that ends."""

import ctypes
import fcntl
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from select import POLLPRI, poll
from typing import NamedTuple

from goldlock.inspect import mount_table

_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8
_LOOP_CLR_FD = 0x4C01


class Table:
    """Tells whether anything was mounted or unmounted, without reading all that is.

    Of one process: the kernel keeps in the open file what was told, and a fork shares that.
    """

    def __init__(self) -> None:
        self._file = os.open("/proc/self/mountinfo", os.O_RDONLY)
        self._change = poll()
        self._change.register(self._file, POLLPRI)

    def changed(self) -> bool:
        """Tell whether it has changed since this was last asked, or made."""
        return bool(self._change.poll(0))


class Mount(NamedTuple):
    """What is mounted where; *number* is the kernel's, and nothing else's before a restart."""

    number: int
    point: Path
    kind: str


class Watch:
    """Tells what is mounted from now on, but in directories whose names begin with *but*."""

    def __init__(self, but: str) -> None:
        self._but = but
        self._table = Table()
        self._known = {each.number for each in everything()}

    def new(self) -> list[Mount]:
        """Return what was mounted since this was last asked, or made."""
        if not self._table.changed():
            return []
        before, now = self._known, everything()
        self._known = {each.number for each in now}
        new = [each for each in now if each.number not in before]
        return [each for each in new if not any(p.startswith(self._but) for p in each.point.parts)]


def below(folder: Path, *, itself: bool = False) -> list[Mount]:
    """Return what is mounted below *folder*, the last first; with *itself* set, also on it.

    Its path is taken as it is, without links: what a case has put in its place is not where
    something is to be unmounted.
    """
    return [
        each
        for each in everything()
        if folder in each.point.parents or (itself and each.point == folder)
    ]


def over(folder: Path) -> list[Mount]:
    """Return what is mounted on *folder* and on those that it is in, the last first."""
    return [each for each in everything() if each.point in {folder, *folder.parents}]


def everything() -> list[Mount]:
    """Return all that is mounted, the last first."""
    found = mount_table.everything()
    return [Mount(int(number), Path(point), kind) for number, _, point, kind in reversed(found)]


def clear(folder: Path, *, itself: bool = False) -> list[str]:
    """Unmount what is mounted below *folder*, or on it with *itself* set; describe it."""
    return [unmount(each) for each in below(folder, itself=itself)]


def unmount(mount: Mount) -> str:
    """Unmount one; describe it."""
    point, kind = mount.point, mount.kind
    said = f"{kind} mounted on {point}"
    libc = ctypes.CDLL(None, use_errno=True)
    if not libc.umount2(os.fsencode(point), _MNT_DETACH | _UMOUNT_NOFOLLOW):
        return said
    why = os.strerror(ctypes.get_errno())
    for helper in ("fusermount3", "fusermount"):  # what may be mounted by anybody is FUSE
        if shutil.which(helper):
            done = subprocess.run([helper, "-uz", point], capture_output=True, check=False)
            if not done.returncode:
                return said
    return f"{said}, which cannot be unmounted: {why}"


def detach_loops(folder: Path) -> list[str]:
    """Detach the loop devices whose files are below *folder*; describe them."""
    said = []
    for known in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # gone, or not ours to look at
            file = known.read_text().rstrip("\n").removesuffix(" (deleted)")
            if folder not in Path(file).parents:
                continue
            device = f"/dev/{known.parts[-3]}"
            said.append(f"{device}, a loop device of {file}")
            opened = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(opened, _LOOP_CLR_FD)
            finally:
                os.close(opened)
    return said
