# SPDX-License-Identifier: GPL-2.0-or-later
"""What Linux has and Python's standard library has no words for.

System calls without a wrapper, struct flock, processes below one, and changes in a folder.
"""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH208

import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterator


def _libc() -> "ctypes.CDLL":
    import ctypes  # 5 ms that many do without

    global _loaded  # noqa: PLW0603 - it is loaded once
    _loaded = _loaded or ctypes.CDLL(None, use_errno=True)
    return _loaded


_loaded: "ctypes.CDLL | None" = None

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39


def prctl(option: int, value: int | bytes) -> None:
    """Set something of this process, as ``man 2 prctl`` says; raises OSError."""
    _checked(_libc().prctl(option, value, 0, 0, 0))


def syscall(number: int, *arguments: int | bytes) -> int:
    """Make a system call that returns an int; raises OSError."""
    return _checked(_libc().syscall(number, *arguments))


def process_vm_writev(pid: int, ours: bytes, theirs: bytes) -> int:
    """Write to the memory of a process, from one struct iovec to another; return how many bytes.

    Raises OSError.
    """
    return _checked(_libc().process_vm_writev(pid, ours, 1, theirs, 1, 0))


def _checked(result: int) -> int:
    if result < 0:
        import ctypes  # which made the call

        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def address_of(data: "ctypes.Array[ctypes.c_char]") -> int:
    """Return where a buffer of `ctypes.create_string_buffer` is in memory, as long as it lives."""
    import ctypes  # which made the buffer

    return ctypes.addressof(data)


def errno_name(code: int) -> str:
    """Return the name of an errno, e.g. "ENOLCK"; where it has two, the one of POSIX."""
    if code == errno.EDEADLK:  # Python calls it EDEADLOCK
        return "EDEADLK"
    return errno.errorcode.get(code, f"errno {code}")


def ending(status: int) -> str:
    """Return how a program ended, as goldens have it; nothing for exit status 0."""
    return f"[{how_ended(status)}]" if status else ""


def how_ended(status: int) -> str:
    """Return an exit status in words, -N where signal N ended the program."""
    return f"exit status {status}" if status >= 0 else f"ended by {signal_name(-status)}"


def signal_name(number: int) -> str:
    """Return ``SIGKILL``; for a signal without a name, a real-time one, ``signal 40``."""
    import signal  # 5 ms that those do without who tell of none

    names = {each.value: each.name for each in signal.Signals}
    return names.get(number, f"signal {number}")


FLOCK = struct.Struct("@hhqqi4x")
"""struct flock of fcntl(2) where off_t has 64 bits: type, whence, start, length, pid."""


def flock(kind: int, first: int, length: int) -> bytes:
    """Return a struct flock: F_RDLCK, F_WRLCK or F_UNLCK; *length* 0 is to the end of the file."""
    return FLOCK.pack(kind, os.SEEK_SET, first, length, 0)


ROOM = 64 * 1024
"""Bytes that are read of a file of /proc at a time: more than the kernel tells at a time."""


def read(path: str) -> str:
    """Return what is in a file of /proc, in a third of the time that `open` takes for it."""
    return os.fsdecode(b"".join(pages(path)))


def pages(path: str) -> list[bytes]:
    """Return what is in a file of /proc, as the kernel tells it: some of it at a time."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return list(iter(lambda: os.read(fd, ROOM), b""))
    finally:
        os.close(fd)


_KCMP = {"x86_64": 312, "aarch64": 272}
_KCMP_FILE, _KCMP_FILES = 0, 2


def same_open_file(one: tuple[int, int | str], other: tuple[int, int | str]) -> bool:
    """Tell whether two descriptors, each of a process, share an open file; raises OSError."""
    (pid, fd), (other_pid, other_fd) = one, other
    return _same(pid, other_pid, _KCMP_FILE, int(fd), int(other_fd))


def shares_open_file(one: tuple[int, int | str], other: tuple[int, int | str]) -> bool:
    """Tell whether two descriptors share an open file; unless told, whether they are equal."""
    try:
        return same_open_file(one, other)
    except OSError:  # one is gone, or may not be compared
        return int(one[1]) == int(other[1])


def same_descriptors(one: int, other: int) -> bool:
    """Tell whether two threads have the same table of descriptors; raises OSError."""
    return _same(one, other, _KCMP_FILES, 0, 0)


def _same(one: int, other: int, what: int, first: int, second: int) -> bool:
    number = _KCMP.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return syscall(number, one, other, what, first, second) == 0


def processes_below(root: int) -> "Iterator[tuple[int, int]]":
    """Yield the processes below one, each with its parent, which comes before it.

    None of them where the kernel does not tell of children (CONFIG_PROC_CHILDREN).
    """
    rest = _children(root)
    while rest:  # not by recursion: a daemon's way down can be longer than Python's stack
        pid, parent = rest.pop()
        yield pid, parent
        rest += _children(pid)


def _children(pid: int) -> list[tuple[int, int]]:
    """Return the processes that one has started, each with that one, the first of them last."""
    found: list[bytes] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += b"".join(pages(f"/proc/{pid}/task/{task}/children")).split()
    except OSError:  # it is gone
        pass
    return [(int(child), pid) for child in reversed(found)]


_IN_ANY_CHANGE = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200
"""That a file is modified, its attributes are, it moves away, or here, is created, is deleted."""


class FolderWatch:
    """Can be read, by `poll`, once something has changed in a folder: inotify(7).

    A file that comes, goes or is renamed there, or is written by its name there.
    """

    def __init__(self) -> None:
        """Watch nothing yet; raises OSError where a user has too many of these."""
        self._fd = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        return self._fd

    def add(self, folder: str) -> None:
        """Watch a folder, or go on watching it; raises OSError."""
        _checked(_libc().inotify_add_watch(self._fd, os.fsencode(folder), _IN_ANY_CHANGE))

    def clear(self) -> None:
        """Have it readable at the next change only."""
        try:
            while os.read(self._fd, 65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._fd)


def search_error(error: OSError, program: str, path: str) -> OSError:
    """Return what a failed start is: ENOENT where no folder of *path* is known to have *program*.

    The kernel answers EACCES for each folder that may not be searched, such as root's own on the
    PATH of another user. A shell takes no notice of such folders, and so the words for a missing
    program do not depend on them.
    """
    maybe_closed = isinstance(error, PermissionError) and "/" not in program
    if maybe_closed and not any(os.path.lexists(f"{at}/{program}") for at in path.split(":")):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return error
