# SPDX-License-Identifier: GPL-2.0-or-later
"""What is copied from and to other processes: descriptors (pidfd_getfd(2)), and memory."""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH123

import errno
import os
import struct

from goldlock import linux

PIDFD_GETFD = 438  # on every machine
_PIDFD_THREAD = os.O_EXCL  # Linux 6.9
_MOST_MEMORY = 2**63  # bytes that a "file" can have, of which pread(2) takes the address


def memory_of(tid: int, address: int, size: int) -> bytes:
    """Return what a thread has at an address, no more than there is before the end of memory.

    Raises OSError: there is nothing, or the thread is gone, or it may not be looked into.
    """
    if address >= _MOST_MEMORY:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    memory = os.open(f"/proc/{tid}/mem", os.O_RDONLY)
    try:
        return os.pread(memory, size, address)
    finally:
        os.close(memory)


def write_memory(tid: int, address: int, data: bytes) -> None:
    """Write to the memory of a thread, as the kernel does in a call of its own.

    Raises OSError: EFAULT where the thread could not write, either. /proc/PID/mem would take it.
    """
    import ctypes  # few calls write

    buffer = ctypes.create_string_buffer(data, len(data))
    ours, theirs = (
        struct.pack("@PN", at, len(data)) for at in (linux.address_of(buffer), address)
    )  # struct iovec
    if linux.process_vm_writev(tid, ours, theirs) < len(data):
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def duplicate(tid: int, fd: int) -> tuple[int, int]:
    """Return the process of a thread, and a copy of its descriptor, or -1 if that is forbidden.

    Raises OSError where the thread is gone, or has no such descriptor.
    """
    try:
        pid, thread = tid, os.pidfd_open(tid)
    except OSError:  # only the first thread of a process has a pidfd
        pid = process_of(tid)
        thread = _open_thread(tid, pid)
    try:
        copy = linux.syscall(PIDFD_GETFD, thread, fd, 0)
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
        copy = -1
    finally:
        os.close(thread)
    return pid, copy


def _open_thread(tid: int, pid: int) -> int:
    """Return what stands for the descriptors of a thread: its process's, unless it has its own.

    It has when it has called unshare(2) with CLONE_FILES, or when the first thread has ended.
    """
    try:
        return os.pidfd_open(tid, _PIDFD_THREAD)
    except OSError as problem:
        if problem.errno != errno.EINVAL:
            raise
    if not linux.same_descriptors(tid, pid):
        raise OSError(errno.EBADF, "the descriptors are the thread's own")
    return os.pidfd_open(pid)


def process_of(tid: int) -> int:
    """Return the process that a thread belongs to."""
    with open(f"/proc/{tid}/status", "rb") as status:
        for line in status:
            if line.startswith(b"Tgid:"):
                return int(line.split()[1])
    raise ProcessLookupError(errno.ESRCH, "no such thread")
