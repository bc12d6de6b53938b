# SPDX-License-Identifier: GPL-2.0-or-later
"""The locks on one file, by whatever path it is known: as few looks as will do."""

# `goldlock wait` starts often, and pathlib takes 5 ms to load:
# ruff: noqa: PTH116, PTH123, PTH208

import os

from goldlock.linux import KernelLock, all_locks, locks_of_descriptor, processes_below

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Iterator


def held(path: str, by: int) -> "Iterator[KernelLock]":
    """Yield the locks on a file that a process and those below it hold; of 0, that anybody does."""
    try:
        status = os.stat(path)
    except OSError:
        return
    if not by:
        yield from _on(path, status)
        return
    for pid in family(by):
        for fd in _descriptors(pid):
            try:
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), status):
                    yield from locks_of_descriptor(pid, fd)
            except OSError:  # closed meanwhile
                continue


def _on(path: str, status: os.stat_result) -> "Iterator[KernelLock]":
    inode, device = _place(path, status)
    for line in all_locks()[0]:
        if f":{inode} " in line and "->" not in line:
            lock = KernelLock(line)
            if lock.place == f"{device}:{inode}":
                yield lock


def _place(path: str, status: os.stat_result) -> tuple[str, str]:
    """Return inode and device of a file as the kernel numbers them in its table of locks.

    Not on each file system are they those of stat(2): what is mounted tells its device.
    """
    fd = os.open(path, os.O_PATH)  # to close one that is open takes this process's own locks
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            info = dict(line.split(":", 1) for line in file if not line.startswith("lock:"))
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        mount = info["mnt_id"].strip()
        device = next((words[2] for words in map(str.split, mounts) if words[0] == mount), "")
    major, _, minor = device.partition(":")
    inode = info.get("ino", str(status.st_ino)).strip()  # told since Linux 5.14
    return inode, f"{int(major or 0):02x}:{int(minor or 0):02x}"


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *(below for below, _ in processes_below(pid))]


def _descriptors(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:  # gone, or another user's
        return []


def inodes(pid: int) -> "Iterator[str]":
    """Yield the numbers of the files that a process has open, as the kernel has them in locks."""
    for fd in _descriptors(pid):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                yield from (line.split()[1] for line in file if line.startswith("ino:"))
        except OSError:  # closed meanwhile
            continue
