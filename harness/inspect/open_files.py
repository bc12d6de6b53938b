# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that processes have locked or wait for, known by what they are and not by a path.

A hard link, a bind mount or another mount namespace gives a file other paths; and the kernel
counts file systems in /proc/locks by numbers that stat(2) does not always tell (btrfs,
overlayfs). So two are the same where stat says so of both, and a line of the kernel's table
is about a file where the kernel says so of a descriptor of it (``mnt_id`` and ``ino`` in fdinfo).
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH112, PTH115, PTH116, PTH120, PTH208

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

from goldlock import linux
from goldlock.inspect.file_locks import field, place_in, place_of
from goldlock.inspect.mount_table import Mount, everything, may_wait, mount_of
from goldlock.kernel_locks import KernelLock, locks_in
from goldlock.lockcalls.copies import memory_of

DELETED = " (deleted)"
_NUMBERS = {"x86_64": (72, 73), "aarch64": (25, 32)}
"""The numbers of fcntl and of flock, which 32-bit programs do not have."""
_WAITING = {fcntl.F_SETLKW: "POSIX", fcntl.F_OFD_SETLKW: "OFDLCK"}


class OpenFile(NamedTuple):
    """A descriptor of a process: *said* is the path that the kernel tells, *info* its fdinfo."""

    pid: int
    fd: str
    said: str
    info: str

    @classmethod
    def of(cls, pid: int, fd: str) -> "OpenFile":
        """Look at a descriptor; raises OSError when it is closed, or somebody else's."""
        said = os.readlink(f"/proc/{pid}/fd/{fd}")
        return cls(pid, fd, said, linux.read(f"/proc/{pid}/fdinfo/{fd}") if said[0] == "/" else "")

    def status(self, mount: Mount | None = None) -> os.stat_result:
        """Return what the file is; raises OSError as `of`, and where a server is to be asked.

        The *mount* that it is on is looked up where nobody knows it.
        """
        if may_wait((mount or mount_of(self.pid, self.mount))[3]):
            raise OSError(errno.EAGAIN, "on a file system of a server, which may not answer")
        return os.stat(f"/proc/{self.pid}/fd/{self.fd}")

    @property
    def place(self) -> str:
        """How the kernel's table numbers the file; raises OSError as `status`."""
        return place_in(self.pid, self.info, self.status())

    @property
    def mount(self) -> str:
        """The number of the mount by which it was opened."""
        return field(self.info, "mnt_id")

    def locks(self) -> list[KernelLock]:
        """Return the locks that the process has through the descriptor."""
        return locks_in(self.info)


def locked_files(pid: int) -> Iterator[OpenFile]:
    """Yield what a process has locked; nothing for one that is gone, or somebody else's."""
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                file = OpenFile.of(pid, fd)
                if "\nlock:" in file.info:
                    yield file


class Files:
    """The files at and below a path, which has no links in it, by whatever names others have."""

    def __init__(self, top: str) -> None:
        self.top = top
        self._folder = f"{top.rstrip('/')}/" if os.path.isdir(top) else ""
        self._places: dict[str, str] = {}

    def name(self, path: str) -> str:
        """Return how a table calls the file."""
        top = self.top if self._folder else os.path.dirname(self.top)
        return path[len(top.rstrip("/")) + 1 :] or "."

    def path_of(self, file: OpenFile) -> str:
        """Return the path of what a process has open; nothing for a file that is elsewhere."""
        is_below, mount = self._is_below(file.said), self._mounts.get(file.mount)
        if is_below and mount:  # the kernel tells this process's own path
            return file.said
        try:
            status = file.status(mount)
            if is_below and _is_said(file.said, status):
                return file.said
        except OSError:  # closed, or removed meanwhile
            return ""
        only_name = status.st_nlink <= 1 or stat.S_ISDIR(status.st_mode)
        if only_name and file.mount == self._mount:
            return ""
        return self._paths.get((status.st_dev, status.st_ino), "")

    def _is_below(self, path: str) -> bool:
        below = self._folder and path.startswith(self._folder)
        return bool(below) or path.removesuffix(DELETED) == self.top

    def path_at(self, place: str) -> str:
        """Return the path of the file that the kernel's table numbers so; nothing if elsewhere."""
        path = self._places.get(place)
        if path is None:
            path = ""
            for each in self._by_number.get(place.rpartition(":")[2], ()):
                with suppress(OSError):  # removed meanwhile
                    if place_of(each) == place:
                        path = each
                        break
            self._places[place] = path
        return path

    def learn(self, place: str, path: str) -> None:
        """Note which file the kernel's table numbers so."""
        self._places[place] = path

    def known_as(self, file: OpenFile) -> str:
        """Return the path of what a process has open as `path_of`; that by which it is known."""
        path = self.path_of(file)
        with suppress(OSError):  # it is closed, or a server is to be asked
            return path and (self._places.get(file.place) or path)
        return path

    @cached_property
    def _mount(self) -> str:
        fd = os.open(self.top, os.O_PATH | os.O_CLOEXEC)
        try:
            return field(linux.read(f"/proc/self/fdinfo/{fd}"), "mnt_id")
        finally:
            os.close(fd)

    @cached_property
    def _mounts(self) -> dict[str, Mount]:
        """What is mounted, by number: what others have mounted for themselves is not in it."""
        return {each[0]: each for each in everything()}

    @cached_property
    def served(self) -> set[str]:
        """What is mounted below that a server answers for: it is not searched for files."""
        points = {point for _, _, point, kind in self._mounts.values() if may_wait(kind)}
        return {point for point in points if self._folder and point.startswith(self._folder)}

    @cached_property
    def _by_number(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for (_, number), path in self._paths.items():
            found.setdefault(str(number), []).append(path)
        return found

    @cached_property
    def _paths(self) -> dict[tuple[int, int], str]:
        """The paths of all files; of one with several, the first in their order."""
        found: dict[tuple[int, int], str] = {}
        with suppress(OSError):
            status = os.stat(self.top)
            found[status.st_dev, status.st_ino] = self.top
        for path, inode in sorted(_below(self.top, self.served)) if self._folder else ():
            found.setdefault(inode, path)
        return found


def _is_said(path: str, status: os.stat_result) -> bool:
    """Tell whether the path of a file in its own process's eyes is one for this process."""
    if path.endswith(DELETED) and not os.path.lexists(path):
        return os.stat(os.path.dirname(path)).st_dev == status.st_dev
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), status)
    return False


def _below(top: str, but: set[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield all that is below a directory, each with its device and inode, *but* some mounts."""
    folders = [top]  # not by recursion: Python's stack is not as deep as folders can be
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:  # removed meanwhile
            for entry in entries:
                if entry.path in but:
                    continue
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.path, (status.st_dev, status.st_ino)
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(entry.path)


def awaited(pid: int, task: str) -> tuple[OpenFile, KernelLock] | None:
    """Return what a thread of a process waits for, as the kernel's table has it but for the place.

    None for a call that does not wait. Raises OSError where the kernel does not let this process
    see the call, and for one that it does not know.
    """
    words = linux.read(f"/proc/{pid}/task/{task}/syscall").split()
    if len(words) < 4 or int(words[0]) not in _NUMBERS.get(os.uname().machine, ()):
        raise OSError("no lock call")
    call, fd, command, argument = (int(word, 0) for word in words[:4])
    file = OpenFile.of(pid, str(fd & 0xFFFFFFFF))
    if call == _NUMBERS[os.uname().machine][1]:
        system, kind, span = "FLOCK", command & fcntl.LOCK_EX, "0 EOF"
    else:
        system = _WAITING.get(command & 0xFFFFFFFF, "")
        kind, span = _asked(file, task, argument)
    if not system:
        return None
    what = f"{system} ADVISORY {'WRITE' if kind else 'READ'}"
    owner = -1 if system == "OFDLCK" else pid
    return file, KernelLock(f"-> {what} {owner} - {span}")


def _asked(file: OpenFile, task: str, address: int) -> tuple[bool, str]:
    """Return whether a struct flock in a program is to write, and its first and last byte."""
    raw = memory_of(int(task), address, linux.FLOCK.size)
    if len(raw) < linux.FLOCK.size:
        raise OSError("no struct flock")
    kind, whence, first, length, _ = linux.FLOCK.unpack(raw)
    if whence == os.SEEK_CUR:
        first += int(field(file.info, "pos"))
    elif whence == os.SEEK_END:
        first += file.status().st_size
    if length < 0:
        first, length = first + length, -length
    return kind == fcntl.F_WRLCK, f"{first} {first + length - 1 if length else 'EOF'}"
