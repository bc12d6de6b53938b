# SPDX-License-Identifier: GPL-2.0-or-later
"""Where cases work: a directory of its own for each, removed unless there is something to see."""

import ctypes
import os
import re
import stat
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from goldlock.errors import UsageError
from goldlock.runner import stale_runs
from goldlock.runner.mounts import remove_tree

SOCKET_ROOM = 60
"""Characters of a run's scratch directory, past which sockets get one elsewhere.

The kernel allows 107 for the whole path of a socket.
"""


PREFIX = "goldlock-"

OUTPUT = "output"
"""The file of all that a case has printed."""

_NEW = 0o40755
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1

_PLAIN = re.compile(r"[A-Za-z0-9/._+@-]+")


class Directories(NamedTuple):
    """The directories of one run of a case; *top* holds its transcripts, *test* and *home*."""

    top: Path
    test: Path
    home: Path
    sockets: Path


class Scratch:
    """The directory of all that a run writes; under TEST_DIR, or the system's for such things.

    Cases see it by a plain path: a blank, a comma or a quote in it would have to be quoted
    in another way for each program, option and monitor, so a symbolic link stands in.

    Sockets are in it, too, unless its path is too long for them, or SOCK_DIR names a place.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        base = Path(environ.get("TEST_DIR") or tempfile.gettempdir()).absolute()
        self.cleared = stale_runs.clear(base, PREFIX)
        """What was left here by runs that were killed, a line each; it is gone."""
        self.root = _make("TEST_DIR", base)
        self._link = None if _PLAIN.fullmatch(str(self.root)) else _plain_link(self.root)
        self._sockets = self.root
        elsewhere = environ.get("SOCK_DIR")
        if elsewhere or self._link or len(str(self.root)) > SOCKET_ROOM:
            self._sockets = _make("SOCK_DIR", Path(elsewhere or "/tmp").absolute())
        self._also = [self._link.parent] if self._link else []
        self._also += [self._sockets] if self._sockets != self.root else []
        self._spares: list[Path] = []
        self._mark = stale_runs.mark(self.root, *self._also)

    def directories(self, number: str) -> Directories:
        """Make the directories for a run of case *number*; for one thread of each process."""
        name, count = number, 1
        spare = self._spares.pop() if self._spares else None
        while not _made(f"{self.root}/{name}", spare):  # two suites, or a case that is run again
            count += 1
            name = f"{number}.{count}"
        top = Path(self.root, name)
        made = Directories(
            top,
            Path(self._link or self.root, name, "test"),
            top / "home",
            self._sockets / name / "s",
        )
        if not spare or not made.home.exists():
            for path in made[1:]:
                path.mkdir(parents=True)
        return made

    def done(self, directories: Directories, *, keep: bool) -> None:
        """Remove the directories of a case, or all but its sockets when they are to be kept.

        Those that it has not touched the next case gets: to make and remove them would take
        longer than a trivial case.
        """
        if not keep and self._sockets == self.root and _as_new(directories):
            self._spares.append(directories.top)
            return
        remove_tree(directories.sockets)
        if self._sockets != self.root:
            remove_tree(directories.sockets.parent)
        if not keep:
            remove_tree(directories.top)

    def end_processes(self, number: str = "") -> None:
        """Kill what cases started, or case *number*, and no worker is there to end."""
        folders = [self.root, *self._also]
        if number:
            seen = self._link or self.root
            folders = [*seen.glob(number), *seen.glob(f"{number}.*")]
        stale_runs.end_processes(folders)

    def close(self, keep: Collection[Path] = ()) -> None:
        """Remove what is left, but for the directories of cases that are to be kept."""
        cases = {*self.root.glob("[0-9]*")}
        rest = cases - {*keep} if keep else {*self.root.glob("*")} - {self.root / stale_runs.MARK}
        for folder in (*self._also, *rest):
            remove_tree(folder)
        # Last: as long as it is there, the next run would clear what a kill leaves.
        (self.root / stale_runs.MARK).unlink(missing_ok=True)
        if not keep:
            remove_tree(self.root)
        if self._mark:
            self._mark.close()


def _plain_link(target: Path) -> Path:
    link = _make("TMPDIR", Path("/tmp")) / "run"
    link.symlink_to(target)
    return link


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _rename(folder: str, to: str) -> None:
    """Rename a directory; raise FileExistsError where there is one, be it empty."""
    names = os.fsencode(folder), os.fsencode(to)
    if _libc().renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _made(top: str, spare: Path | None) -> bool:
    """Make a directory, or a spare one into it, unless there is one of that name."""
    try:
        _rename(str(spare), top) if spare else os.mkdir(top)  # noqa: PTH102 - for each case
    except FileExistsError:
        return False
    except OSError:
        if not spare:
            raise
        return _made(top, None)  # this file system cannot rename so
    return True


def _is_new(path: Path) -> bool:
    """Tell whether a directory has the mode and owner that it was made with, and no more."""
    found = path.stat()
    ours = (_NEW, os.geteuid(), os.getegid())
    return (found.st_mode, found.st_uid, found.st_gid) == ours and not os.listxattr(path)


def _as_new(directories: Directories) -> bool:
    """Tell whether a case has left its directories as it found them; make the upper one so."""
    try:
        for path in directories[1:]:
            if os.listdir(path) or not _is_new(path):  # noqa: PTH208 - each microsecond
                return False
        if not _is_new(directories.top):
            return False
        for entry in os.scandir(directories.top):
            if entry.name == OUTPUT and _emptied(entry):
                continue
            if entry.is_file(follow_symlinks=False):
                os.unlink(entry)  # noqa: PTH108 - as above
            elif entry.path not in map(str, directories[1:]):
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
    with open(entry, "r+b", buffering=0) as file:  # noqa: PTH123 - as above
        file.truncate(1)
        file.write(b"\n")
    return True


def _make(variable: str, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror}; {variable} names a directory to write in"
        ) from None
