# SPDX-License-Identifier: GPL-2.0-or-later
"""What is mounted, and on which of it a look at a file may have to wait for a server."""

# `goldlock wait` starts often, and typing takes 5 ms to load: no named tuples here.

import os

from goldlock import linux

Mount = tuple[str, str, str, str]
"""The number that the kernel gives to no other mount, device (``254:0``), mount point, and type."""

NOWHERE = ("", "", "", "")


def everything() -> list[Mount]:
    """Return all that is mounted, the first first; nothing where the kernel's table is masked."""
    return [_mount(line) for line in _table("self").split("\n") if line]


def mount_of(pid: int | str, number: str) -> Mount:
    """Return the mount of a number, such as `mnt_id` in fdinfo, in the eyes of a process.

    `NOWHERE` for one that the process does not have, and where the kernel's table is masked.
    """
    _, _, found = f"\n{_table(pid)}".partition(f"\n{number} ")
    return _mount(f"{number} {found}".partition("\n")[0]) if found else NOWHERE


def may_wait(kind: str) -> bool:
    """Tell whether to look at a file of such a mount may take as long as somebody likes.

    A server answers, over a network or, with FUSE, on this machine: it may be one that hangs.
    """
    return kind.partition(".")[0] in _SERVED


_SERVED = {
    *("9p", "afs", "autofs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "lustre"),
    *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs"),
}


def _table(pid: int | str) -> str:
    try:
        return linux.read(f"/proc/{pid}/mountinfo")
    except OSError:  # masked, or the process is gone
        return ""


def _mount(line: str) -> Mount:
    words = line.split(" ")  # 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/x rw
    point = os.fsencode(words[4]).decode("unicode_escape").encode("latin-1")
    return words[0], words[2], os.fsdecode(point), words[words.index("-") + 1]
