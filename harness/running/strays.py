"""Files that appear in a suite's own folders while its cases run.

A case writes to its TEST_DIR. What turns up here is most likely a case's, but may as well be of
somebody at work: so it is told, and neither removed nor a failure.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_OTHERS = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")

ENOUGH = 1000
"""Periods after which it is time to look whose files there are, and to forget them."""


class Period(NamedTuple):
    """When a case ran, in seconds since the epoch."""

    number: str
    began: float
    ended: float


class Folders:
    """The folder of a suite, with ``cases/`` and ``expected/``, as they were when this was made."""

    def __init__(self, root: Path) -> None:
        self._folders = (root, root / "cases", root / "expected")
        self._before = self._files()

    def new(self) -> list[tuple[Path, float]]:
        """Return the files that were not there, with the times of their last changes."""
        found = []
        for path in sorted(self._files() - self._before):
            try:
                found.append((path, path.lstat().st_ctime))
            except OSError:  # it is gone again
                continue
        return found

    def _files(self) -> set[Path]:
        return {path for folder in self._folders for path in _entries(folder)}


def _entries(folder: Path) -> Iterable[Path]:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in paths
        if not path.name.startswith(_OTHERS) and not path.name.endswith(_EDITORS)
    ]


class Strays:
    """The files that have appeared in the folders of suites, and the cases that ran then."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folders] = {}
        self._periods: list[Period] = []
        self._known: dict[tuple[Path, float], list[str]] = {}

    def watch(self, root: Path) -> None:
        """Heed a suite's folders, from now on."""
        if root not in self._folders:
            self._folders[root] = Folders(root)

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
        new = [found for folders in self._folders.values() for found in folders.new()]
        return {
            found: [*dict.fromkeys([*self._known.get(found, ()), *self._at_work(found[1])])]
            for found in new
        }

    def _at_work(self, moment: float) -> list[str]:
        return [each.number for each in self._periods if each.began <= moment <= each.ended]
