"""Files that appear while cases run, in their suite's own folders, or where the system has some.

A case writes to its TEST_DIR. What turns up here is most likely a case's, but may as well be of
somebody at work: so it is told, and neither removed nor a failure.
"""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.running.scratch import PREFIX

_OTHERS = (".", "__pycache__")
_EDITORS = ("~", ".swp", ".orig", ".rej")

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


def at_work(time: float, periods: Iterable[Period]) -> list[str]:
    """Return the cases that ran at that time."""
    return [each.number for each in periods if each.began <= time <= each.ended]
