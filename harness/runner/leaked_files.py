# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that turn up where no case is to write, and whose they are.

A case writes to its TEST_DIR. What turns up in its suite's folders, or in the system's for
temporary files, is most likely a case's, but may be of somebody at work. Where that is the suite,
the cases that ran then are run once more, and watched: what one of them creates, it has left
behind. With ``--watch-files`` each case is watched from the start.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.goldens.diff import printable
from goldlock.runner import mounts
from goldlock.suite.cases import Case, may_be_case

if TYPE_CHECKING:
    from goldlock.runner.file_audit import Seen

_HIDDEN = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")

MOST = 10
"""Files that are told of for a case, past which only their number is."""

_SYSTEM = ("/var/tmp", "/dev/shm")
"""Where programs drop files of a fixed name, beside the directory for temporary files."""

_RANDOM = ("goldlock", "pytest-", "tmp", "pymp-")
"""How names begin there that are of no case: ours, and those that anybody makes up with Python."""

_TICK = 20_000_000
"""Nanoseconds by which the kernel's clock for files may be late, and more."""


class Folder:
    """A folder, and the names that were in it when it was last looked at.

    *passes* tells what is of no case; *shared* says that many write there, at any time.
    """

    def __init__(self, path: Path, passes: Callable[[Path], bool], *, shared: bool = False) -> None:
        self.path = Path(os.path.realpath(path))
        self.shared = shared
        self._passes = passes
        self._changed = -1
        self._names: frozenset[str] = frozenset()
        self._look()
        self._first = self._names

    def had(self, path: Path) -> bool:
        """Tell whether a file of that name was there when this was made."""
        return path.name in self._first

    def new(self) -> list[Path]:
        """Return this user's files that have turned up since."""
        found = [self.path / name for name in sorted(self._look())]
        return [path for path in found if not self._passes(path) and is_ours(path)]

    def _look(self) -> frozenset[str]:
        """Look at the folder; return the names that are new."""
        try:
            changed = os.stat(self.path).st_mtime_ns  # noqa: PTH116 - after each case
            if changed == self._changed:
                return frozenset()
            # A change within the same tick of the clock would not be seen: look again next time.
            self._changed = changed if changed < time.time_ns() - _TICK else -1
            names = frozenset(os.listdir(self.path))  # noqa: PTH208 - there may be thousands
        except OSError:
            return frozenset()
        new, self._names = names - self._names, names
        return new

    def heed(self, path: Path, *, new: bool) -> None:
        """Take a file for *new* the next time that it is seen, or for one that is known."""
        if new:
            self._names -= {path.name}
            self._changed = -1
        else:
            self._names |= {path.name}


def _is_editors(path: Path) -> bool:
    return path.name.startswith(_HIDDEN) or path.name.endswith(_EDITORS)


def _is_a_case(path: Path) -> bool:
    return _is_editors(path) or may_be_case(path)


def _is_a_golden(path: Path) -> bool:
    return _is_editors(path) or path.suffix == ".out"


def _is_anybodys(path: Path) -> bool:
    return _is_editors(path) or path.name.startswith(_RANDOM)


def is_ours(path: Path) -> bool:
    """Tell whether a file is there, and this user's."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:  # it is gone again
        return False


@dataclass
class _Suspicion:
    """Who may have created a file."""

    numbers: list[str]
    """Of the cases that ran when it turned up."""
    unwatched: set[Path]
    """Those of them that are to be watched yet."""


class Strays:
    """The files that have turned up where they should not, and the cases that ran then."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folder] = {}
        self._files: dict[Path, _Suspicion] = {}
        self._found_out: set[Path] = set()

    def add(self, root: Path) -> None:
        """Heed a suite's folders, and the system's, from now on."""
        system = () if self._folders else (tempfile.gettempdir(), *_SYSTEM)
        for folder in (
            *(Folder(Path(path), _is_anybodys, shared=True) for path in system),
            Folder(root, _is_editors),
            Folder(root / "cases", _is_a_case),
            Folder(root / "expected", _is_a_golden),
        ):
            self._folders.setdefault(folder.path, folder)

    def look(self, running: Iterable[Case]) -> None:
        """See what has turned up; *running* are the cases that ran since this was last called."""
        for folder in self._folders.values():
            for path in folder.new():
                cases = {case.path: case.number for case in running}
                self._files[path] = _Suspicion(
                    [*cases.values()], set() if folder.shared else {*cases}
                )

    def suspects(self, case: Case) -> bool:
        """Tell whether a case may have created one of them, and is to be watched.

        One that was found out is, each time: what it left may have gone with what it left before.
        """
        return case.path in self._found_out or any(
            case.path in each.unwatched for each in self._files.values()
        )

    def left_by(self, case: Case, seen: "Iterable[Seen]", to: Path) -> list[str]:
        """Move away what a case has left behind, of what it was *seen* to create; tell of it.

        What was there before any case ran is not of this one.
        """
        for suspicion in self._files.values():
            suspicion.unwatched.discard(case.path)
        left: dict[Path, str] = {}
        for path, program, was_there in seen:
            # Of what turned up, all that is in it is the case's; else, only what was not there.
            for each in (path, *path.parents):
                if each in self._files or (each == path and not was_there):
                    folder = self._folders.get(each.parent)
                    if folder and not folder.had(each) and not _is_editors(each):
                        left.setdefault(each, program)
        if left:
            self._found_out.add(case.path)
        said = []
        for path, program in left.items():
            gone, what = _move(path, to)
            said.append(printable(f"left behind, outside its directories, by {program}: {what}"))
            self._folders[path.parent].heed(path, new=gone)
            self._files.pop(path, None)
        return [*said[:MOST], *([f"and {len(said) - MOST} more"] if len(said) > MOST else [])]

    def unsolved(self) -> list[tuple[Path, list[str]]]:
        """Return the files that are still there, and whose they may be."""
        there = [(path, each.numbers) for path, each in self._files.items() if is_ours(path)]
        return sorted((path, numbers) for path, numbers in there if numbers)


def _move(path: Path, folder: Path) -> tuple[bool, str]:
    """Move a file to a folder, once nothing is mounted in it; tell whether it is gone, and how."""
    if not path.is_symlink() and (mounted := mounts.clear(path, itself=True)):
        if mounts.below(path, itself=True):
            return False, f"{path}, in which is {'; '.join(mounted)}"
        return True, f"{'; '.join(mounted)}; unmounted, and {_move(path, folder)[1]}"
    to, count = folder / path.name, 1
    while os.path.lexists(to):
        count += 1
        to = folder / f"{path.name}.{count}"
    try:
        if not (path.is_symlink() or path.is_file() or path.is_dir()):
            path.unlink()  # a socket, or the like, is nothing without a process
            return True, f"{path}; removed"
        folder.mkdir(exist_ok=True)
        shutil.move(path, to)
    except (OSError, RecursionError) as error:  # to another file system, it is copied
        mounts.remove_tree(to)
        why = getattr(error, "strerror", "") or "not all in it can be copied"
        return False, f"{path}, which cannot be moved: {why}"
    return True, f"{path}; moved to {to}"
