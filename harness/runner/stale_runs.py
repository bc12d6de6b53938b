# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run that was killed left behind, found and cleared by the next one.

Before a run makes its directories it names them in a file, its mark, which it and its workers hold
locked for as long as any of them lives; a mark that can be locked is nobody's any more. So there
is no moment at which a directory of a killed run has no mark.
"""

import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from goldlock import safe_open
from goldlock.runner import mounts
from goldlock.runner.new_directory import PREFIX, is_new_path
from goldlock.runner.removal import Identity, identity, remove_tree

if TYPE_CHECKING:
    import psutil

_MARK = ".running"
_MADE = b"made"
_MOST = 64 * 1024


class MarkedDirectories:
    """New directories of a run, and their mark; *made* is what each was when it was made.

    Where the file system has no locks, there is no mark: what a kill leaves then stays. Raises
    OSError, with its path, where one cannot be made.
    """

    def __init__(self, first: Path, *others: Path) -> None:
        self.made: dict[Path, Identity | None] = {}
        self._path = mark_of(first)
        self._file = _locked(self._path)
        try:
            self._note(b"".join(os.fsencode(path) + b"\0" for path in others))
            for path in (first, *others):
                path.mkdir(0o700)
                self.made[path] = identity(path)
            self._note(_MADE)
        except BaseException:
            self.remove()
            raise

    def _note(self, words: bytes) -> None:
        if self._file:
            self._file.write(words)
            self._file.flush()

    def remove(self, *keep: Path) -> list[str]:
        """Remove all but those to *keep*; return what cannot be removed."""
        said = []
        for path, made in self.made.items():
            if path not in keep:
                said += remove_tree(path, made)
        if self._file:  # last: until then, the next run would clear what a kill leaves
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
        return said


def mark_of(folder: Path) -> Path:
    """Return where the mark of a run is whose first directory is *folder*: beside it."""
    return folder.with_name(f".{folder.name}{_MARK}")


def _locked(path: Path) -> BinaryIO | None:
    """Make a file and lock it; None where the file system has no locks.

    It is for its user only, or another one could have it locked before it is here.
    """
    while True:
        file = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        )
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            file.close()
            path.unlink()
            return None
        if identity(path) == _identity(file):
            return file
        file.close()  # another run has locked it first, and cleared it


def _identity(file: BinaryIO) -> Identity:
    found = os.fstat(file.fileno())
    return Identity(found.st_dev, found.st_ino)


def clear(base: Path) -> list[str]:
    """Clear what killed runs left whose first directories are in *base*; return a line for each."""
    said = []
    for path in sorted(Path(os.path.realpath(base)).glob(f".{PREFIX}*{_MARK}")):
        first = path.with_name(path.name[1:].removesuffix(_MARK))
        with suppress(OSError), safe_open.open_file(path) as file:
            if not is_new_path(first) or os.fstat(file.fileno()).st_uid != os.getuid():
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if identity(path) != _identity(file):  # another run was first
                continue
            *others, made = file.read(_MOST).split(b"\0")
            named = [first, *(Path(os.fsdecode(other)) for other in others)]
            found = [each for each in named if is_new_path(each) and _is_ours(each)]
            if made == _MADE:
                said += _clear(found)
            for each in found if made != _MADE else ():  # it was killed when it made them
                with suppress(OSError):
                    each.rmdir()
            path.unlink()
    return said


def _clear(folders: Sequence[Path]) -> list[str]:
    """Remove the directories of a run, with all in them, and end what runs there."""
    if not folders:
        return []
    found = {path: identity(path) for path in folders}
    ended = end_processes(folders)
    for path, each in found.items():
        ended += [f"unmounted {mount}" for mount in mounts.clear(path, itself=True)]
        ended += [f"cannot remove {rest}" for rest in remove_tree(path, each)]
    return ["; ".join([f"cleared {folders[0]}, which a killed run left", *ended])]


def _is_ours(folder: Path) -> bool:
    """Tell whether a path is that of a directory of ours, and of no link to one.

    Anybody may write to /tmp, and what is named there is to be removed.
    """
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def end_processes(folders: Sequence[Path]) -> list[str]:
    """Kill the processes of cases whose directories are in *folders*; describe them."""
    import psutil  # only where something is left
    from goldlock.inspect import processes
    from goldlock.inspect.process_report import left_behind

    described = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            paths = [] if process.pid == os.getpid() else _places(process)
            if any(folder in path.parents for folder in folders for path in paths):
                if said := left_behind(process.pid):
                    described.append(f"ended {said}")
                if not processes.kill(process.pid):
                    described.append(f"pid {process.pid} cannot be ended")
    return described


def _places(process: "psutil.Process") -> list[Path]:
    """Return its TEST_DIR; of a process that was started without any environment, its files.

    Others may have files there, too: somebody who looks at what was kept.
    """
    environ = process.environ()
    if environ:
        return [Path(environ.get("TEST_DIR", ""))]
    return [Path(process.cwd()), *(Path(file.path) for file in process.open_files())]
