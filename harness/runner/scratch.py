# SPDX-License-Identifier: GPL-2.0-or-later
"""Where cases work: a directory of its own for each, removed unless there is something to see."""

import ctypes
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from goldlock.errors import UsageError
from goldlock.runner import mounts, stale_runs
from goldlock.runner.new_directory import (
    is_plain,
    new_path,
    short_folder,
    temporary_folder,
    unusable,
)
from goldlock.runner.removal import Identity, identity, remove, remove_tree

SOCKET_ROOM = 40
"""Characters of a run's scratch directory, past which sockets get one elsewhere.

The kernel allows 107 for the whole path of a socket; the name of a case is in it, too.
"""


OUTPUT = "output"
"""The file of all that a case has printed."""

_RENAME_NOREPLACE = 1


class New(NamedTuple):
    """What a directory is when it is made, with all that a case could change of it.

    *extra* are its attributes, such as an ACL or a label.
    """

    identity: Identity
    mode: int
    owner: tuple[int, int]
    extra: Sequence[tuple[str, bytes]]


class Directories(NamedTuple):
    """The directories of one run of a case; *top* holds its transcripts, *test* and *home*.

    *new* is what each of them was when it was made.
    """

    top: Path
    test: Path
    home: Path
    sockets: Path
    new: tuple[New, ...] = ()

    @property
    def made(self) -> list[Identity]:
        """Which directories they are, whatever their paths lead to."""
        return [each.identity for each in self.new]


class Scratch:
    """The directory of all that a run writes; under TEST_DIR, or the system's for such things.

    Cases see it by a plain path: a blank, a comma or a quote in it would have to be quoted
    in another way for each program, option and monitor, so a symbolic link stands in.

    Sockets are in it, too, unless its path is too long for them, or SOCK_DIR names a place.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        base = Path(environ.get("TEST_DIR") or temporary_folder()).absolute()
        self.cleared = stale_runs.clear(base)
        """What was left here by runs that were killed, a line each; it is gone."""
        self.root = new_path("TEST_DIR", base)
        self._link: Path | None = None
        if not is_plain(str(self.root)):
            self._link = new_path("TMPDIR", Path(short_folder())) / "run"
        sockets = environ.get("SOCK_DIR", "")
        self._sockets = self.root
        if sockets or self._link or len(str(self.root)) > SOCKET_ROOM:
            self._sockets = new_path("SOCK_DIR", Path(sockets or short_folder()).absolute())
        self._spares: list[Directories] = []
        self._mounts: mounts.Table | None = None  # of the process that runs a case
        self._ours = self._make(base)
        try:
            if self._link:
                self._link.symlink_to(self.root)
            self._opened = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._known = {each.number for each in mounts.over(self.root)}
        except BaseException as error:
            self._ours.remove()
            if isinstance(error, OSError):
                raise unusable("TEST_DIR", base, error) from None
            raise

    def _make(self, base: Path) -> stale_runs.MarkedDirectories:
        """Make the directories that are needed; raises UsageError."""
        also = {self._link.parent: "TMPDIR"} if self._link else {}
        if self._sockets != self.root:
            also[self._sockets] = "SOCK_DIR"
        try:
            return stale_runs.MarkedDirectories(self.root, *also)
        except OSError as error:
            path = Path(error.filename or self.root)
            variable = also.get(path, "")
            folder = path.parent if variable else base
            raise unusable(variable or "TEST_DIR", folder, error) from None

    @property
    def plain(self) -> Path:
        """The directory, by a path that need not be quoted anywhere."""
        return Path(self._link or self.root)

    def directories(self, number: str) -> Directories:
        """Make the directories for a run of case *number*; for one thread of each process.

        Raises UsageError where the scratch directory is no longer the one that was made.
        """
        self._check()
        self._mounts = self._mounts or mounts.Table()
        name, count = number, 1
        spare = self._spares.pop() if self._spares else None
        while not self._make_top(name, spare):  # two suites, or a case that is run again
            count += 1
            name = f"{number}.{count}"
        top = self.root / name
        made = Directories(
            top,
            self.plain / name / "test",
            top / "home",
            self._sockets / name / "s",
        )
        if spare and identity(made.home):
            return made._replace(new=spare.new)
        for path in made[1:4]:
            path.mkdir(parents=True)
        return made._replace(new=tuple(map(_look, made[:4])))

    def restore(self, directories: Directories) -> list[str]:
        """Unmount what a case has mounted, and have its directory where it was made.

        Returns what was mounted, and what was in its place. No process of the case may run.
        """
        said: list[str] = []
        if self._mounts and self._mounts.changed():
            over = [each for each in mounts.over(self.root) if each.number not in self._known]
            said += map(mounts.unmount, over)
            for folder in {directories.top, directories.sockets.parent}:
                said += mounts.clear(folder, itself=True)
        self._check()
        top = directories.top
        if identity(top.name, self._opened) == directories.made[0]:
            return said
        if identity(top.name, self._opened):
            said.append(f"something else in the place of {top}")
            number = 1
            while identity(aside := f"{top.name}.replaced.{number}", self._opened):
                number += 1
            os.rename(top.name, aside, src_dir_fd=self._opened, dst_dir_fd=self._opened)
        os.mkdir(top.name, dir_fd=self._opened)
        return said

    def done(self, directories: Directories, *, keep: bool) -> list[str]:
        """Remove the directories of a case, or all but its sockets when they are to be kept.

        Those that it has not touched the next case gets: to make and remove them would take
        longer than a trivial case. Returns what could not be removed.
        """
        if not keep and self._sockets == self.root and _as_new(directories):
            self._spares.append(directories)
            return []
        loops = [f"leaked: {each}; detached" for each in mounts.detach_loops(directories.top)]
        said = remove_tree(directories.sockets, directories.made[3])
        if self._sockets != self.root:
            said += remove_tree(directories.sockets.parent)
        if not keep:
            said += remove(directories.top.name, self._opened, None, str(directories.top))
        return [*loops, *(f"cannot be removed: {each}" for each in said)]

    def end_processes(self, number: str = "") -> None:
        """Kill what cases started, or case *number*, and no worker is there to end."""
        folders = [*self._ours.made]
        if number:
            seen = self._link or self.root
            folders = [*seen.glob(number), *seen.glob(f"{number}.*")]
        stale_runs.end_processes(folders)

    def close(self, keep: Collection[Path] = ()) -> list[str]:
        """Remove what is left, but for the directories of cases that are to be kept.

        Returns what was mounted, or cannot be removed. Once is enough.
        """
        if self._opened < 0:
            return []
        said = [f"unmounted {each}" for each in mounts.clear(self.root, itself=True)]
        names = {path.name for path in keep}
        for name in os.listdir(self._opened):  # noqa: PTH208 - by its descriptor
            if name in names or (names and name[0] == "."):  # what cases start
                continue
            if stat.S_ISDIR(os.stat(name, dir_fd=self._opened, follow_symlinks=False).st_mode):
                said += remove(name, self._opened, None, f"{self.root}/{name}")
            else:
                os.unlink(name, dir_fd=self._opened)
        os.close(self._opened)
        self._opened = -1
        return [*said, *self._ours.remove(*([self.root] if keep else []))]

    def _check(self) -> None:
        """Raise UsageError where paths do not lead to the directory that was made."""
        if identity(self.root) != self._ours.made[self.root]:
            raise UsageError(f"{self.root}: something else stands in the place of this directory")

    def _make_top(self, name: str, spare: Directories | None) -> bool:
        """Make a directory, or a spare one into it, unless there is one of that name."""
        try:
            if spare:
                _rename(self._opened, spare.top.name, name)
            else:
                os.mkdir(name, dir_fd=self._opened)
        except FileExistsError:
            return False
        except OSError as error:
            if not spare:
                raise OSError(error.errno, error.strerror, f"{self.root}/{name}") from None
            return self._make_top(name, None)  # this file system cannot rename so
        return True


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _rename(folder: int, name: str, to: str) -> None:
    """Rename a directory in a folder; raise FileExistsError where there is one, be it empty."""
    names = os.fsencode(name), os.fsencode(to)
    if _libc().renameat2(folder, names[0], folder, names[1], _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _look(path: Path) -> New:
    """Return what a directory is now."""
    found, extra = path.lstat(), []
    with suppress(OSError):  # of a file system that has none
        for name in os.listxattr(path, follow_symlinks=False):
            extra.append((name, os.getxattr(path, name, follow_symlinks=False)))
    is_now = Identity(found.st_dev, found.st_ino)
    return New(is_now, found.st_mode, (found.st_uid, found.st_gid), extra)


def _as_new(directories: Directories) -> bool:
    """Tell whether a case has left its directories as it found them; make the upper one so."""
    try:
        for path, new in zip(directories[:4], directories.new, strict=True):
            if _look(path) != new:
                return False
            if path != directories.top and os.listdir(path):  # noqa: PTH208 - each microsecond
                return False
        for entry in os.scandir(directories.top):
            if entry.name == OUTPUT and _emptied(entry):
                continue
            if entry.is_file(follow_symlinks=False):
                os.unlink(entry)  # noqa: PTH108 - as above
            elif entry.path not in map(str, directories[1:4]):
                return False
    except OSError:
        return False
    return True


def _emptied(entry: "os.DirEntry[str]") -> bool:
    """Make a line end of an output that nobody else has; tell whether it is one.

    To make another, or this one empty, would take a file system that has a journal as long as
    all else here: ext4 writes out at once what was emptied and written again.
    """
    found = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
        return False
    with open(os.open(entry, os.O_WRONLY | os.O_NOFOLLOW), "wb", buffering=0) as file:  # noqa: PTH123 - as above
        file.truncate(1)
        file.write(b"\n")
    return True
