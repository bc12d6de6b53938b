# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of new directories, where the environment says, or where there is room for them."""

import os
import re
import tempfile
from pathlib import Path

from goldlock.errors import UsageError

PREFIX = "goldlock-"
"""What the names of all directories begin with that are made outside of others."""

_NEW = re.compile(f"{PREFIX}[0-9]{{13}}")
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


def temporary_folder() -> str:
    """Return the folder for temporary files; raise UsageError where none can be written to."""
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise UsageError(f"{error.strerror}; TMPDIR names one") from None


def new_path(variable: str, folder: Path) -> Path:
    """Return the real path of a directory that is not there yet, in *folder*, made if need be.

    Its name has no letters beyond the prefix: filters of cases may heed words. Raises UsageError
    that tells the *variable* which can name another folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(variable, folder, error) from None
    return Path(os.path.realpath(folder)) / f"{PREFIX}{int.from_bytes(os.urandom(5)):013}"


def is_new_path(path: Path) -> bool:
    """Tell whether this is such a path, and no other that somebody may have made up."""
    return path.is_absolute() and bool(_NEW.fullmatch(path.name))


def unusable(variable: str, folder: Path, error: OSError) -> UsageError:
    """Return what to raise where nothing can be made in a folder that a variable names."""
    return UsageError(f"{folder}: {error.strerror}; {variable} names a directory to write in")
