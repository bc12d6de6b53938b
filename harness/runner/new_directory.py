# SPDX-License-Identifier: GPL-2.0-or-later
"""Make directories of new names, where the environment says, or where there is room for them."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from goldlock.errors import UsageError

PREFIX = "goldlock-"
"""What the names of all directories begin with that are made outside of others."""

_PLAIN = re.compile(r"[A-Za-z0-9/._+@-]+")

_SHORT = 30
"""Characters of a folder's path that leave room for a run, a case and the name of a socket."""


def is_plain(path: str) -> bool:
    """Tell whether a path need not be quoted anywhere."""
    return bool(_PLAIN.fullmatch(path))


def short_folder() -> str:
    """Return the folder for temporary files, or /tmp where sockets and links need a shorter one."""
    folder = temporary_folder()
    return folder if len(folder) <= _SHORT and is_plain(folder) else "/tmp"


def _new_directory(folder: Path) -> Path:
    """Make a directory of a new name, which has no letters: filters of cases may heed words."""
    while True:
        path = folder / f"{PREFIX}{int.from_bytes(os.urandom(5)):013}"
        with suppress(FileExistsError):
            path.mkdir(0o700)
            return path


def temporary_folder() -> str:
    """Return the folder for temporary files; raise UsageError where none can be written to."""
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise UsageError(f"{error.strerror}; TMPDIR names one") from None


def make(variable: str, folder: Path) -> Path:
    """Make a directory in *folder*, which is made if need be; return its real path.

    Raises UsageError that names the *variable* which can name another folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(os.path.realpath(_new_directory(folder)))
    except OSError as error:
        raise unusable(variable, folder, error) from None


def unusable(variable: str, folder: Path, error: OSError) -> UsageError:
    """Return what to raise where nothing can be made in a folder that a variable names."""
    return UsageError(f"{folder}: {error.strerror}; {variable} names a directory to write in")
