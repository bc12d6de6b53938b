# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of descriptors of other processes (pidfd_getfd(2))."""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH123

import errno
import os

from goldlock import linux

PIDFD_GETFD = 438  # on every machine
_PIDFD_THREAD = os.O_EXCL  # Linux 6.9


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
