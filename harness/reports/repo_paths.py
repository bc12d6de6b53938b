# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a file is in its repository: the path by which a service that shows it knows it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables with the root of what a service checked out."""


def on_github(environ: Mapping[str, str]) -> bool:
    """Tell whether GitHub reads the output."""
    return environ.get("GITHUB_ACTIONS") == "true"


def in_repository(path: str, environ: Mapping[str, str]) -> str:
    """Return a path from the root of its repository; as it is, if it is in none.

    The root is the one that the service names, or else the folder with ``.git``.
    """
    if "\0" in path:  # it is none, and cannot be looked up
        return path
    file = Path(os.path.realpath(path))
    roots = [Path(os.path.realpath(environ[name])) for name in _ROOTS if environ.get(name)]
    roots += [parent for parent in file.parents if (parent / ".git").exists()][:1]
    for root in roots:
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
    return path


_BEFORE = r"(?<![^\s'\"`=:,(\[<{>])"
"""What may stand before a path; behind anything else, it is the middle of another."""


def here(text: str) -> str:
    """Shorten the paths below the current directory, as a person would type them."""
    folder = f"{Path.cwd()}/"
    if folder not in text or folder == "//":
        return text
    return re.sub(_BEFORE + re.escape(folder), "", text)
