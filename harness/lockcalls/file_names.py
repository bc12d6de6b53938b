# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of files, as calls of other processes have them."""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH115, PTH118

import errno
import os

AT_FDCWD = -100
_LONGEST_NAME = 255
_OWN = {"/proc/self/": "", "/proc/thread-self/": "", "/dev/fd/": "fd/"}
"""Paths that lead each process to its own folder in /proc, or to one there."""


class Name:
    """A file by its name, as a call of a program has it.

    path    the path, as the kernel tells it of the folder; where there is none, as the call has it
    key     the folder's device and inode, and the name in it: equal for equal names
    problem why there is no such folder, or None
    """

    def __init__(self, tid: int, folder: int, path: str) -> None:
        base = f"/proc/{tid}/cwd" if folder == AT_FDCWD else f"/proc/{tid}/fd/{folder}"
        base = f"/proc/{tid}/root" if path.startswith("/") else base
        self._given = (base, path)
        self._of = (tid, folder)
        for link, there in _OWN.items():
            if path.startswith(link):
                path = f"/proc/{tid}/{there}{path.removeprefix(link)}"
        head, _, self.name = path.rstrip("/").rpartition("/")
        self.is_odd = self.name in ("", ".", "..") or path.endswith("/")
        self.problem: OSError | None = None
        self.folder = -1
        self.key: tuple[int, int, str] = (0, 0, path)
        try:
            self.folder = os.open(f"{base}/{head}", os.O_PATH | os.O_DIRECTORY)
            status = os.fstat(self.folder)
            self.key = (status.st_dev, status.st_ino, self.name)
            self.path = os.path.join(os.readlink(f"/proc/self/fd/{self.folder}"), self.name)
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                raise  # it is this process that has too many files open
            if problem.errno == errno.ENAMETOOLONG and _may_be(path):
                self.close()
                raise ValueError("a path too long to be looked at") from None
            if os.path.realpath(f"{base}/{head}").startswith(f"/proc/{os.getpid()}/"):
                raise ValueError("a path by what each process has of its own") from None
            is_closed = problem.errno == errno.ENOENT and not os.path.lexists(base)
            self.problem = error_of(errno.EBADF) if is_closed else problem
            self.path = path if path.startswith("/") else f"{_told(base)}/{path}"

    def again(self) -> "Name":
        """Return the name as it is now: another folder may be there, or none, or one at last."""
        return Name(*self._of, self._given[1])

    def given(self) -> str:
        """Return the path from the root, as the call has it: the process must stand there still."""
        base, path = self._given
        return f"{_told(base)}/{path}"

    def close(self) -> None:
        """Let go of the folder."""
        if self.folder >= 0:
            os.close(self.folder)
            self.folder = -1

    def status(self, *, follow: bool = False) -> os.stat_result | None:
        """Return what is there by this name, None for nothing; OSError where there is no folder."""
        if self.problem:
            raise self.problem
        try:
            return os.stat(self.name or ".", dir_fd=self.folder, follow_symlinks=follow)
        except FileNotFoundError:
            return None

    def is_empty(self) -> bool:
        """Return whether the folder of this name has nothing in it."""
        with os.scandir(f"/proc/self/fd/{self.folder}/{self.name}") as entries:
            return next(entries, None) is None

    def require_change(self) -> None:
        """Raise OSError where nobody, or not this user, may change what is in the folder."""
        here = f"/proc/self/fd/{self.folder}"
        if not os.access(here, os.W_OK | os.X_OK, effective_ids=True):
            read_only = os.statvfs(here).f_flag & os.ST_RDONLY
            raise error_of(errno.EROFS if read_only else errno.EACCES)


def _may_be(path: str) -> bool:
    """Return whether each name in a path is one that a file can have."""
    return all(len(name) <= _LONGEST_NAME for name in os.fsencode(path).split(b"/"))


def _told(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return "?"


def error_of(code: int) -> OSError:
    """Return an error as a call raises it."""
    return OSError(code, os.strerror(code))
