# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of reports: checked before a run, and written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path

from goldlock.errors import UsageError


def asked(reports: Mapping[str, str]) -> dict[str, Path]:
    """Return the reports that are asked for: their options, and the files to write.

    Raises UsageError for a file that could not be written, or has to be two reports at once.
    """
    found: dict[str, Path] = {}
    for flag, given in reports.items():
        path = Path(given).expanduser().absolute()
        if other := next((name for name, file in found.items() if file == path), None):
            raise UsageError(f"{flag} {given}: is what {other} writes; give it another name")
        found[flag] = path
    return found


def check(reports: Mapping[str, str]) -> None:
    """See that the files of all reports can be written; make the folders that they go to.

    Raises UsageError as `asked` does.
    """
    for flag, path in asked(reports).items():
        try:
            _try(path)
        except OSError as error:
            raise UsageError(f"{flag} {path}: cannot be written: {error.strerror}") from None


def _try(path: Path) -> None:
    if path.name == "-":
        raise UsageError("a report goes to a file, not to '-', where the console's is")
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory")
    if path.exists() and not path.is_file():  # /dev/stderr, or a FIFO
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    beside = beside_of(path)
    beside.touch()
    beside.unlink()


def write(path: Path, text: str) -> None:
    """Make *text* what is in a file: at once, so that a reader finds the old one or the new.

    Raises OSError; the file is then as it was.
    """
    data = text.encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    beside = beside_of(path)
    try:
        beside.write_bytes(data)
        beside.replace(path.resolve())  # through a symbolic link, not in its place
    finally:
        beside.unlink(missing_ok=True)


def beside_of(path: Path) -> Path:
    """Return where to write what is to take the place of a file when it is whole."""
    target = path.resolve()
    return target.with_name(f".{target.name[:200]}.{os.getpid()}")


class Lines:
    """A file that grows by whole lines: what is there is valid, whenever the run ends."""

    def __init__(self, path: Path) -> None:
        """Start the file anew; raises OSError."""
        self._file = path.open("wb", buffering=0)
        self._regular = path.is_file()

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
