# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of goldens: which one counts, and how it is read and written.

Texts that are not UTF-8 keep their bytes (surrogateescape).
"""

import os
import re
import subprocess
from pathlib import Path

from goldlock import atomic_file, safe_open

_CONFLICT = re.compile(r"^(<{7}|>{7})(?: |$)", re.M)


class GoldenError(Exception):
    """A golden cannot be used, or not be written; the message says why, and the way out."""


def read(path: Path) -> str:
    """Return a golden's text; raise GoldenError when it has a conflict marker, or OSError."""
    text = safe_open.read(path, follow=True).decode("utf-8", "surrogateescape")
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise GoldenError(f"{path}:{line}: conflict marker {conflict[1]}; resolve the merge first")
    return text


def ensure_overwritable(path: Path, *, force: bool) -> None:
    """Raise GoldenError when work would be lost if the golden were written, unless by *force*.

    That is an unresolved merge, or changes that git has, but are not committed.
    """
    if force:
        return
    path = atomic_file.target(path)
    try:
        read(path)
    except FileNotFoundError:
        return
    except GoldenError as error:
        raise GoldenError(f"{error}, or --force; the golden is as it was") from None
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    if uncommitted(path):
        raise GoldenError(
            f"{path} has changes that are not committed, and is as it was;"
            " commit or stash them, or --force"
        )


def remove(path: Path, *, force: bool) -> None:
    """Remove a golden; raise GoldenError when it cannot be had back from git, unless by *force*.

    Where there is no git, to ask for it is enough.
    """
    if not force and _status(path):
        raise GoldenError(
            f"{path} is not committed as it is, and was not removed; commit it, or --force"
        )
    try:
        path.unlink()
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Write a golden: at each moment the file is the old one or the new one, whole.

    A symbolic link stays, and what it leads to is written.
    """
    try:
        atomic_file.target(path).parent.mkdir(exist_ok=True)
        atomic_file.replace(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}; the golden is as it was") from None


def fingerprint(path: Path) -> tuple[int, ...]:
    """Return what changes when a golden does; the same for as long as there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for each case, twice
    except OSError:
        return ()
    who = found.st_mode, found.st_nlink, found.st_uid, found.st_gid
    return found.st_ino, found.st_size, found.st_mtime_ns, *who, found.st_ctime_ns


def is_changed(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Tell from two fingerprints of a golden whether it was written to, or replaced.

    Who writes to it can give it its old time again, but not hide that: the kernel notes when.
    It does so as well where somebody changes the mode, or makes a link, which is no matter.
    """
    return before[:3] != after[:3] or (before[:-1] == after[:-1] and before != after)


def uncommitted(path: Path) -> bool:
    """Tell whether git has the golden, with changes that are not committed."""
    status = _status(path)
    return bool(status) and not status.startswith("??")


def _status(path: Path) -> str:
    """Return what git says of a golden that is not committed as it is; nothing without git."""
    try:
        done = subprocess.run(
            ["git", "status", "--porcelain", "--", path.name],
            cwd=path.parent,
            # A hook of git has variables that name another folder than this.
            env={name: value for name, value in os.environ.items() if name[:4] != "GIT_"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return ""  # no git, or no folder yet
    if done.returncode and any((parent / ".git").exists() for parent in path.absolute().parents):
        said = (done.stderr.strip().splitlines() or ["it does not say why"])[0]
        raise GoldenError(f"{path}: git does not tell its state: {said}; mend that, or --force")
    return done.stdout
