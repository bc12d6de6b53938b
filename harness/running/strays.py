"""Files that appear in a suite's own folders while its cases run.

A case writes to its TEST_DIR. What turns up here is most likely a case's, but may as well be of
somebody at work: so it is told, and neither removed nor a failure.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_OTHERS = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")


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


def at_work(time: float, periods: Iterable[Period]) -> list[str]:
    """Return the cases that ran at that time."""
    return [each.number for each in periods if each.began <= time <= each.ended]
