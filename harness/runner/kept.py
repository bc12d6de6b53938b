# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept of a case: its output, before and after the filters of its header, and its log."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from goldlock import safe_open
from goldlock.environment import LOG
from goldlock.result import CUT
from goldlock.runner.scratch import OUTPUT
from goldlock.suite.cases import Case
from goldlock.text import count

UNFILTERED = "output.unfiltered"
"""The file of a case's directory with what it printed, before the filters of its header."""

LOG_LIMIT = 64 * 1024
"""Bytes of a log, from its end, that are reported."""


def kept_files(directory: Path) -> str:
    """Tell what there is to look at in a directory that was kept."""
    output, wrap = directory / OUTPUT, directory / "wrap"
    if not output.exists():
        return f"kept in {directory}"
    raw = [str(directory / name) for name in (UNFILTERED, LOG) if (directory / name).exists()]
    said = f"output kept in {output}" + (f", and before filters {' and '.join(raw)}" if raw else "")
    logs = len(list(wrap.iterdir())) if wrap.is_dir() else 0
    return said + (f"; {count(logs, 'wrapper log')} in {wrap}" if logs else "")


def end_of(log: Path | None, text: str) -> str:
    """Return the end of a log that was kept, or else of *text*, in whole lines."""
    size, text = len(text), text[-LOG_LIMIT:]
    if log:
        with suppress(OSError), safe_open.open_file(log, limit=None) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_LIMIT))
            text = file.read(LOG_LIMIT).decode("utf-8", "surrogateescape")
    if size > LOG_LIMIT:
        text = f"{CUT}{size - LOG_LIMIT} bytes before)\n{text.partition(chr(10))[2]}"
    return text.rstrip("\n")


def filter_output(case: Case, output: Path, environ: Mapping[str, str]) -> None:
    """Write to *output*, the file of what a case has printed, what its filters make of that.

    What they change is as it was in the file `UNFILTERED` beside it. *environ* is that of the case.
    """
    from goldlock.filters import by_name  # few cases want them

    printed = safe_open.read(output)
    text = printed.decode("utf-8", "surrogateescape")
    change = by_name.chosen(case.filters, case.kit, environ)
    filtered = change(text).encode("utf-8", "surrogateescape")
    if filtered != printed:
        _write(output.with_name(UNFILTERED), printed)
        _write(output, filtered)


def _write(path: Path, data: bytes) -> None:
    """Make a file anew: a case may have left a link of its name there."""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(data)
