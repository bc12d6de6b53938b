# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run needs of the system, tried once, before anything is started.

Containers, sandboxes and old kernels refuse system calls, by EPERM or by ENOSYS. One that the
runner or a case's own library cannot do without is named then, in place of what it would break
later, halfway. All of it takes as long as a fork.
"""

import errno
import fcntl
import os
import resource
import socket
import struct
from collections.abc import Callable
from select import poll
from typing import Any, TypeVar

from goldlock import linux
from goldlock.errors import UsageError
from goldlock.kernel_locks import why_no_lock_table

T = TypeVar("T")

_REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES)
_WAYS_OUT = {"pidfd_open": "it takes Linux 5.3 or later, and a sandbox that allows it"}
_WAY_OUT = "a container or sandbox has to allow it"

_DESCRIPTORS = 40
"""Files that the processes of a run may have to have open at a time, each of them, with one job."""

_TELLS = {
    "/proc/loadavg": "a case that forks without end is not stopped, nor a golden with process ids",
    "/proc/self/mountinfo": "what a case mounts is not found",
}
"""Files of the kernel's, and what is left out where they tell nothing."""

_NONE = ".goldlock-none"
"""The name of a file that nobody has."""


def require() -> None:
    """Raise UsageError that names the first call which is refused here, or has failed."""
    _require_proc()
    _require_descriptors()
    _require_processes()
    _require_sockets()
    _require_memory()
    _require_files()


def _require_proc() -> None:
    try:
        own = os.readlink("/proc/self")  # noqa: PTH115 - for each run
    except OSError:
        raise UsageError("/proc: no proc file system is mounted there; cases need one") from None
    if own != str(os.getpid()):
        raise UsageError("/proc: is of another PID namespace; unshare has --mount-proc for that")


def _require_descriptors() -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < _DESCRIPTORS:
        raise UsageError(f"{limit} files may be open at a time; ulimit -n {_DESCRIPTORS} or more")


def left_out() -> list[str]:
    """Return a line for each file of the kernel's that tells nothing here, and what goes without.

    Cases run all the same; what needs more says so itself.
    """
    why = why_no_lock_table()
    said = [f"{why}: who waits for a lock is not told"] if why else []
    for path, lost in _TELLS.items():
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - for each run
                why = "" if file.read(1) else "is empty"
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        said += [f"{path} {why}: {lost}"] if why else []
    return said


def _call(name: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Return what *function* does, which makes the system call *name*; raise UsageError."""
    try:
        return function(*arguments, **named)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise UsageError(f"{name}(2) failed: {error.strerror}") from None
        why = f"{error.strerror}; {_WAYS_OUT.get(name, _WAY_OUT)}"
        raise UsageError(f"{name}(2) is refused here: {why}") from None


def _require_processes() -> None:
    os.close(_call("pidfd_open", os.pidfd_open, os.getpid()))
    _call("getppid", _checked, os.getppid() >= 0)  # of which Python does not tell
    _call("access", _checked, os.access("/", os.F_OK))
    _call("chdir", os.chdir, os.curdir)
    _call("poll", poll().poll, 0)
    _call("prctl", linux.prctl, linux.PR_GET_NO_NEW_PRIVS, 0)
    _call("sched_getaffinity", os.sched_getaffinity, 0)
    _call("kill", os.kill, os.getpid(), 0)
    _call("waitid", _vain, os.waitid, os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    _call("setpgid", _vain, os.setpgid, 0, -1)
    _call("setsid", _start_a_session, _call("fork", os.fork))


def _start_a_session(pid: int) -> None:
    """In a fork, begin a session as each case does; elsewhere, wait for how that went."""
    if pid == 0:
        status = 1
        try:
            os.setsid()
            status = 0
        except OSError as error:
            status = error.errno or status
        finally:
            os._exit(status)
    if status := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError(status, os.strerror(status))


def _require_sockets() -> None:
    """Hand a descriptor over, as each worker is given its own."""
    ours, theirs = _call("socketpair", socket.socketpair)
    with ours, theirs:
        second = struct.pack("@ll", 1, 0)
        _call("setsockopt", ours.setsockopt, socket.SOL_SOCKET, socket.SO_SNDTIMEO, second)
        _call("sendmsg", socket.send_fds, ours, [b"+"], [ours.fileno()])
        for descriptor in _call("recvmsg", socket.recv_fds, theirs, 1, 1)[1]:
            os.close(descriptor)


def _require_memory() -> None:
    """Write to a file in memory, as what programs say is kept in one, and lock it."""
    file = _call("memfd_create", os.memfd_create, "tried")
    try:
        _call("pwrite64", os.pwrite, file, b"+", 0)
        _call("lseek", os.lseek, file, 0, os.SEEK_SET)
        _call("flock", fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(file)


def _require_files() -> None:
    """Ask for what cannot be done, to be told so: what is refused says something else."""
    root = _call("openat", os.open, "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _call("mkdirat", _vain, os.mkdir, ".", dir_fd=root)
        _call("rename", _vain, os.rename, f"/{_NONE}", f"/{_NONE}.2")
        _call("renameat", _vain, os.rename, _NONE, f"{_NONE}.2", src_dir_fd=root, dst_dir_fd=root)
        _call("unlink", _vain, os.unlink, f"/{_NONE}")
        _call("unlinkat", _vain, os.unlink, _NONE, dir_fd=root)
    finally:
        os.close(root)


def _vain(function: Callable[..., object], *arguments: Any, **named: Any) -> None:
    try:
        function(*arguments, **named)
    except OSError as error:
        if error.errno in _REFUSED:
            raise


def _checked(done: bool) -> None:
    if not done:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
