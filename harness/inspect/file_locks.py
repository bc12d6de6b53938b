# SPDX-License-Identifier: GPL-2.0-or-later
"""The locks on one file, by whatever path it is known: as few looks as will do."""

# `goldlock wait` starts often, and pathlib takes 5 ms to load:
# ruff: noqa: PTH123, PTH208

import os

from goldlock import linux
from goldlock.inspect.mount_table import mount_of
from goldlock.inspect.process_facts import all_pids
from goldlock.kernel_locks import KernelLock, all_locks, hides_locks, locks_of_descriptor
from goldlock.linux import processes_below

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Iterator


def held(path: str, by: int) -> "Iterator[KernelLock]":
    """Yield the locks on a file that a process and those below it hold; of 0, that anybody does.

    What they have open otherwise is not asked for: it may be on a server that does not answer.
    Where the kernel's table hides some, processes are asked, as far as this user may: one after
    the other, so that a lock which is handed on meanwhile may be missing.
    """
    try:
        place = place_of(path)
    except OSError:
        return
    if not by:
        lines = (line for line in all_locks()[0] if f" {place} " in line and "->" not in line)
        yield from map(KernelLock, lines)
        if not hides_locks():
            return
    for pid in family(by) if by else all_pids():
        for fd in _descriptors(pid):
            try:
                locks = locks_of_descriptor(pid, fd)
            except OSError:  # closed meanwhile
                continue
            yield from (lock for lock in locks if lock.place == place)


def place_of(path: str) -> str:
    """Return how the kernel's table of locks numbers a file; raises OSError.

    Not on each file system is that what stat(2) tells: the device is that of the mount, and the
    inode is the one of a descriptor.
    """
    fd = os.open(path, os.O_PATH)  # to close one that is open takes this process's own locks
    try:
        return place_in("self", linux.read(f"/proc/self/fdinfo/{fd}"), os.fstat(fd))
    finally:
        os.close(fd)


def place_in(pid: int | str, info: str, status: os.stat_result) -> str:
    """Return how the kernel's table numbers what a process has open, by its fdinfo and status."""
    device = mount_of(pid, field(info, "mnt_id"))[1]
    major, _, minor = device.partition(":")
    numbers = int(major or os.major(status.st_dev)), int(minor or os.minor(status.st_dev))
    return f"{numbers[0]:02x}:{numbers[1]:02x}:{field(info, 'ino') or status.st_ino}"


def field(info: str, name: str) -> str:
    """Return what an fdinfo has under a name; nothing where a kernel has no such line."""
    _, found, rest = f"\n{info}".partition(f"\n{name}:")
    return rest.split("\n", 1)[0].strip() if found else ""


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
