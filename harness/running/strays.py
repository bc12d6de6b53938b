"""Files that appear while cases run, in their suite's own folders, or where the system has some.

A case writes to its TEST_DIR. What turns up here is most likely a case's, but may as well be of
somebody at work: so it is told, and neither removed nor a failure.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.running.scratch import PREFIX

_OTHERS = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")

ENOUGH = 1000
"""Periods after which it is time to look whose files there are, and to forget them."""

_SYSTEM = ("/var/tmp", "/dev/shm")
"""Where programs drop files of a fixed name, beside the directory for temporary files."""

_RANDOM = (PREFIX, "pytest-", "tmp", "pymp-")
"""How names begin there that are of no case: of runs, and of all who make one up with Python."""


class Period(NamedTuple):
    """When a case ran, in seconds since the epoch."""

    number: str
    began: float
    ended: float


class Folders:
    """Folders and what was in them when this was made, but for names that begin as *others*."""

    def __init__(self, folders: Iterable[Path], others: tuple[str, ...] = ()) -> None:
        self._folders = frozenset(folders)
        self._others = (*_OTHERS, *others)
        self._before = self._files()

    def new(self) -> list[tuple[Path, float]]:
        """Return this user's files that were not there, with the times of their last changes."""
        found = []
        for path in sorted(self._files() - self._before):
            with suppress(OSError):  # it is gone again
                state = Path(path).lstat()
                if state.st_uid == os.geteuid():
                    found.append((Path(path), state.st_ctime))
        return found

    def _files(self) -> set[str]:
        return {
            f"{folder}/{name}"
            for folder in self._folders
            for name in _names(folder)
            if not name.startswith(self._others) and not name.endswith(_EDITORS)
        }


def of_suite(root: Path) -> Folders:
    """Return the folder of a suite, with ``cases/`` and ``expected/``, as they are."""
    return Folders((root, root / "cases", root / "expected"))


def of_system() -> Folders:
    """Return the system's directories for temporary files, as they are."""
    return Folders(map(Path, (tempfile.gettempdir(), *_SYSTEM)), _RANDOM)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - there may be thousands
    except OSError:
        return []


class Strays:
    """The files that have appeared where they should not, and the cases that ran then."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folders] = {}
        self._system: Folders | None = None
        self._periods: list[Period] = []
        self._known: dict[tuple[Path, float], list[str]] = {}

    def watch(self, root: Path) -> None:
        """Heed a suite's folders, and the system's, from now on."""
        if root not in self._folders:
            self._folders[root] = of_suite(root)
        self._system = self._system or of_system()

    def ran(self, number: str, began: float) -> None:
        """Note that a case has run until now."""
        self._periods.append(Period(number, began, time.time()))
        if len(self._periods) >= ENOUGH:  # a hunt may have no end
            self._known = self._look()
            self._periods.clear()

    def found(self) -> list[tuple[Path, list[str]]]:
        """Return the files, each with the cases that ran when it was last changed."""
        return [(path, numbers) for (path, _), numbers in self._look().items()]

    def _look(self) -> dict[tuple[Path, float], list[str]]:
        """Find the files, and who was at work by the periods, and by what was known of them.

        A case that has not ended yet will be told of by its period, later.
        """
        watched = filter(None, (*self._folders.values(), self._system))
        new = [found for folders in watched for found in folders.new()]
        return {
            found: [*dict.fromkeys([*self._known.get(found, ()), *self._at_work(found[1])])]
            for found in new
        }

    def _at_work(self, moment: float) -> list[str]:
        return [each.number for each in self._periods if each.began <= moment <= each.ended]
