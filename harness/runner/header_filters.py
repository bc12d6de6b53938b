# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters that a header asks for: all that a case prints goes through them, before it is judged."""

from collections.abc import Mapping
from pathlib import Path

from goldlock import safe_open
from goldlock.filters import by_name
from goldlock.suite.cases import Case


def apply(case: Case, output: Path, unfiltered: Path, environ: Mapping[str, str]) -> None:
    """Write to the file *output*, which has what a case has printed, what its filters make of it.

    What they change is as it was in *unfiltered*. *environ* is that of the case.
    """
    printed = safe_open.read(output)
    text = printed.decode("utf-8", "surrogateescape")
    change = by_name.chosen(list(case.filters), case.kit, environ)
    filtered = change(text).encode("utf-8", "surrogateescape")
    if filtered != printed:
        _write(unfiltered, printed)
        _write(output, filtered)


def _write(path: Path, data: bytes) -> None:
    """Make a file anew: a case may have left a link of its name there."""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(data)
