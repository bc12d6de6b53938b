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

from harness.goldens.explain import printable
from harness.running.mounts import remove_tree
from harness.suite import Case, may_be_case

if TYPE_CHECKING:
    from harness.running.witness import Seen

_HIDDEN = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")

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
        self.new()

    def new(self) -> list[Path]:
        """Return this user's files that have turned up since."""
        try:
            changed = self.path.stat().st_mtime_ns
            if changed == self._changed:
                return []
            # A change within the same tick of the clock would not be seen: look again next time.
            self._changed = changed if changed < time.time_ns() - _TICK else -1
            names = frozenset(os.listdir(self.path))  # noqa: PTH208 - there may be thousands
        except OSError:
            return []
        new, self._names = names - self._names, names
        found = [self.path / name for name in sorted(new)]
        return [path for path in found if not self._passes(path) and _is_ours(path)]

    def forget(self, path: Path) -> None:
        """Take a file for new when it turns up again: it will be moved away."""
        self._names -= {path.name}
        self._changed = -1


def _is_editors(path: Path) -> bool:
    return path.name.startswith(_HIDDEN) or path.name.endswith(_EDITORS)


def _is_a_case(path: Path) -> bool:
    return _is_editors(path) or may_be_case(path)


def _is_a_golden(path: Path) -> bool:
    return _is_editors(path) or path.suffix == ".out"


def _is_anybodys(path: Path) -> bool:
    return path.name.startswith((*_HIDDEN, *_RANDOM)) or path.name.endswith(_EDITORS)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:  # it is gone again
        return False


@dataclass
class _Suspicion:
    """Who may have created a file."""

    numbers: list[str]
    """Of the cases that ran when it turned up."""
    open: set[Path]
    """Those of them that are to be watched."""


class Strays:
    """The files that have turned up where they should not, and the cases that ran then."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folder] = {}
        self._files: dict[Path, _Suspicion] = {}

    def watch(self, root: Path) -> None:
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
        """Tell whether a case may have created one of them, and is to be watched."""
        return any(case.path in each.open for each in self._files.values())

    def left_by(self, case: Case, seen: "Iterable[Seen]", folder: Path) -> list[str]:
        """Tell what a case has left behind, of what it was *seen* to create; that goes to a folder.

        What was there before any case ran is not of this one.
        """
        for suspicion in self._files.values():
            suspicion.open.discard(case.path)
        left: dict[Path, str] = {}
        for path, program, was_there in seen:
            for each in (path, *path.parents):
                new = each in self._files or (each == path and not was_there)
                if new and each.parent in self._folders and not _is_editors(each):
                    left.setdefault(each, program)
        for path in left:
            self._files.pop(path, None)
            self._folders[path.parent].forget(path)
        return [
            printable(f"left behind, outside its directories, by {by}: {_move(path, folder)}")
            for path, by in left.items()
        ]

    def unsolved(self) -> list[tuple[Path, list[str]]]:
        """Return the files that are still there, and whose they may be."""
        there = [(path, each.numbers) for path, each in self._files.items() if _is_ours(path)]
        return sorted((path, numbers) for path, numbers in there if numbers)


def _move(path: Path, folder: Path) -> str:
    """Move a file to a folder, over one of that name; tell what came of it."""
    to = folder / path.name
    try:
        folder.mkdir(exist_ok=True)
        remove_tree(to)
        if path.is_symlink() or path.is_file() or path.is_dir():
            shutil.move(path, to)
        else:  # a socket, or the like, is nothing without a process
            path.unlink()
            return f"{path}; removed"
    except (OSError, shutil.Error) as error:
        return f"{path}, which cannot be moved: {getattr(error, 'strerror', None) or error}"
    return f"{path}; moved to {to}"
