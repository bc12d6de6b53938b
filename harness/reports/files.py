# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of reports: checked before a run, and written whole or not at all."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from goldlock import atomic_file
from goldlock.errors import UsageError


def asked(reports: Mapping[str, str]) -> dict[str, Path]:
    """Return the files of reports, by the options that ask for them.

    Raises UsageError for a file that has to be two reports at once, or is none.
    """
    found: dict[str, Path] = {}
    for flag, name in reports.items():
        path = Path(name).expanduser().absolute()
        if path.name == "-":
            raise UsageError("a report goes to a file, not to '-', where the console's is")
        if other := next((each for each, file in found.items() if file == path), None):
            raise UsageError(f"{flag} {name}: is what {other} writes; give it another name")
        found[flag] = path
    return found


def check(reports: Mapping[str, str]) -> None:
    """See that the files of all reports can be written; make the folders that they go to.

    Raises UsageError as `asked` does. A FIFO stays open, lest its reader take that for the end.
    """
    for flag, path in asked(reports).items():
        try:
            if path.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            if path.is_fifo():
                _opened(path)
            elif not _is_special(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_file.check(path)
        except OSError as error:
            raise UsageError(f"{flag} {path}: cannot be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Make *text* what is in a file: at once, so that a reader finds the old one or the new.

    Raises OSError; the file is then as it was. A device, or a FIFO that somebody reads, is
    written to.
    """
    data = text.encode("utf-8", "backslashreplace")
    if not _is_special(path):
        atomic_file.replace(path, data)
        return
    with os.fdopen(_opened(path), "wb") as file:
        file.write(data)


def failure(path: Path, error: OSError) -> str:
    """Return the line that tells of a report that could not be written."""
    return f"{path}: the report cannot be written: {error.strerror}"


def _is_special(path: Path) -> bool:
    """Tell whether a file is none to be replaced: /dev/stderr, or a FIFO."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _opened(path: Path, flags: int = 0) -> int:
    """Open a file to write; raise OSError for a FIFO that nobody reads, which would block."""
    flags |= os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor


class Lines:
    """A file that grows by whole lines: what is there is valid, whenever the run ends."""

    def __init__(self, path: Path) -> None:
        """Start the file anew; raises OSError."""
        self._regular = not _is_special(path)
        self._file = os.fdopen(_opened(path, os.O_CREAT | os.O_TRUNC), "wb", buffering=0)

    def write(self, line: str) -> None:
        """Add a line; raises OSError, with nothing of it in the file."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        before = self._file.tell() if self._regular else None
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            if before is not None:
                self._file.truncate(before)
                self._file.seek(before)
            raise

    def close(self) -> None:
        """Close it."""
        self._file.close()
