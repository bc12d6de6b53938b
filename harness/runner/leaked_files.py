# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that turn up where no case is to write, while cases run.

A case writes to its TEST_DIR. What turns up in its suite's folders meanwhile is most likely a
case's, and makes the run fail where what cases leave behind does. In the system's folders for
temporary files anybody may write: there only what a case that ran then has in its script is told
of, as a warning.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from goldlock import safe_open
from goldlock.runner import mounts
from goldlock.runner.new_directory import PREFIX
from goldlock.suite.cases import Case, may_be_case

_EDITORS = r"\..*|__pycache__.*|.*(?:~|\.swp|\.orig|\.rej)"
"""Names of files that are no case's, as a pattern: hidden ones, and what editors leave."""

_SYSTEM = ("/var/tmp", "/dev/shm")
"""Where programs drop files of a fixed name, beside the directory for temporary files."""

_SHORTEST = 4
"""Characters of a name, without a number at its end, that a script is searched for, at least."""

_TICK = 20_000_000
"""Nanoseconds by which the kernel's clock for files may be late, and more."""


_MANY = 1000
"""Files that have turned up, and may be gone again, that are kept in mind at a time, at least."""

NOTHING_KNOWN: Final[Mapping[str, tuple[str, str]]] = {}


class LeakedFile(NamedTuple):
    """A file that was not there before, and the numbers of the cases that may have left it.

    It is *certain* that it is a case's where it is in a suite; among temporary files it is a guess.
    The program that made it is known where the case ran under a supervisor that sees files. The
    run *fails* for it, or it is a warning.
    """

    path: str
    cases: tuple[str, ...]
    certain: bool
    program: str = ""
    fails: bool = False

    def __str__(self) -> str:
        of = "case" if len(self.cases) == 1 else "one of the cases"
        numbers = " ".join(self.cases)
        if self.program:
            where = "leaked into the suite" if self.certain else "left there"
            return f"{self.path}: {where} by {of} {numbers}; created by {self.program}"
        if self.certain:
            return f"{self.path}: leaked into the suite while {of} {numbers} ran"
        return f"{self.path}: not there before; left by {of} {numbers}, whose script names it?"


class DirectorySnapshot:
    """A folder, and the names that were in it when it was last looked at.

    *ignore* matches names of what is of no case; *shared* says that many write there, at any time,
    *fails* that a case must not.
    """

    def __init__(
        self, path: Path, ignore: str = _EDITORS, *, shared: bool = False, fails: bool = False
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self.shared, self.fails = shared, fails
        self._ignore = re.compile(ignore, re.S).fullmatch
        self._changed = -1
        self._names: frozenset[str] = frozenset()
        self._look()

    def new(self) -> list[Path]:
        """Return this user's files that have turned up since."""
        found = [self.path / name for name in sorted(self._look())]
        return [path for path in found if not self._ignore(path.name) and _is_ours(path)]

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


class LeakDetector:
    """Looks for files that turn up where they should not, each time that a case has ended."""

    def __init__(self) -> None:
        self._folders: dict[Path, DirectorySnapshot] = {}
        self._new: dict[Path, tuple[DirectorySnapshot, Sequence[Case]]] = {}
        self._many = _MANY
        self._made: dict[str, tuple[str, str]] = {}
        self._mounts = mounts.Watch(PREFIX)
        self._mounted: list[tuple[mounts.Mount, tuple[str, ...]]] = []

    def add(self, root: Path, *, fails: bool) -> None:
        """Look at a suite's folders, and the system's, from now on.

        *fails* says whether a run does for a file that turns up in the suite.
        """
        system = () if self._folders else (*_temporary(), *_SYSTEM)
        for folder in (
            *(DirectorySnapshot(Path(path), shared=True) for path in system),
            # --update makes expected; see in it
            DirectorySnapshot(root, f"{_EDITORS}|expected", fails=fails),
            DirectorySnapshot(root / "cases", fails=fails),
            DirectorySnapshot(root / "expected", rf"{_EDITORS}|.*\.out", fails=fails),
        ):
            self._folders.setdefault(folder.path, folder)

    def look(
        self, running: Sequence[Case], made: Mapping[str, tuple[str, str]] = NOTHING_KNOWN
    ) -> None:
        """See what has turned up; *running* are the cases that ran since this was last called.

        *made* are case and program, by the path of a file that is known to have been made by them.
        """
        for folder in self._folders.values():
            for path in folder.new():
                self._new[path] = folder, running
                self._made.pop(str(path), None)  # it is another, should there have been one before
        self._made |= made
        if len(self._new) > self._many:  # of others, which come and go
            self._new = {path: new for path, new in self._new.items() if _is_ours(path)}
            self._many = 2 * len(self._new) + _MANY
        for mount in self._mounts.new():
            if numbers := _numbers(
                case for case in running if "mount" in safe_open.text(case.path)
            ):
                self._mounted.append((mount, numbers))

    def leaked(self) -> list[LeakedFile]:
        """Return what has turned up and is still there, sorted by paths.

        Who made a file is told when his case ends, which may be after the file was first seen.
        """
        files = (self._told(path, *new) for path, new in self._new.items() if _is_ours(path))
        now = {mount.number for mount in mounts.everything()} if self._mounted else set()
        mounted = [
            LeakedFile(f"{mount.point} ({mount.kind}, mounted)", numbers, certain=False)
            for mount, numbers in self._mounted
            if mount.number in now
        ]
        return sorted([*mounted, *filter(None, files)])

    def _told(
        self, path: Path, folder: DirectorySnapshot, running: Sequence[Case]
    ) -> LeakedFile | None:
        """Return what there is to say of a file; None for one that is nobody's."""
        if known := self._made.get(str(path)):
            number, program = known
            return LeakedFile(str(path), (number,), not folder.shared, program, folder.fails)
        # A person may write a case meanwhile, too.
        guess = folder.shared or (path.parent.name == "cases" and may_be_case(path))
        numbers = _numbers(case for case in running if not guess or _names(case, path))
        fails = folder.fails and not guess
        return LeakedFile(str(path), numbers, certain=not guess, fails=fails) if numbers else None


def _temporary() -> list[str]:
    """Return the folder for temporary files, where there is one that can be written to."""
    with suppress(OSError):
        return [tempfile.gettempdir()]
    return []


def _numbers(cases: Iterable[Case]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(case.name for case in cases))


def _names(case: Case, path: Path) -> bool:
    """Tell whether a case's script has a file's name, without a number at its end."""
    name = f"cases/{path.name}" if may_be_case(path) else path.stem.rstrip("0123456789")
    return len(name) >= _SHORTEST and name in safe_open.text(case.path)


def _is_ours(path: Path) -> bool:
    """Tell whether a file is there, and this user's."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:  # it is gone again
        return False
