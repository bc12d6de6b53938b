# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a golden what a case has printed, unless it could not pass, or work would be lost."""

from collections.abc import Callable, Sequence
from pathlib import Path

from goldlock.goldens import compare, golden, variants
from goldlock.goldens.compare import OWN, Reading
from goldlock.goldens.golden import GoldenError
from goldlock.goldens.judge import text_of
from goldlock.goldens.steady import Printed, why_not
from goldlock.result import CaseResult


def update(  # noqa: PLR0913 - two of them only with another layout, or over work
    result: CaseResult,
    files: Sequence[Path],
    printed: Printed,
    again: Callable[[], Printed | None],
    reading: Reading = OWN,
    *,
    force: bool = False,
) -> None:
    """Make the golden what a case has *printed*; put down in *result* the change, or why not.

    *again* runs the case once more, and returns what it prints then; None where that is not
    asked for, or has failed. It is called where something would be written. *files* are those of
    `variants.files`. By *force*, the golden is written also where work is lost that way.
    """
    path = files[0]
    if not result.completed:
        result.problems.append(f"{path} is as it was: only a case that ran to its end updates it")
        return
    lines = reading.lines(printed.text)
    result.sections = compare.Comparison(lines, lines, reading.heading).results
    try:
        old, new = _planned(files, printed.text, reading, force=force)
        if old is None or reading.lines(old) != reading.lines(new):
            golden.ensure_overwritable(path, force=force)
            second = again()
            result.problems += result.problems or why_not(path, printed, second)
        if not result.problems:
            result.update = write(files, printed.text, reading, force=force)
    except GoldenError as error:
        result.problems.append(str(error))


def write(files: Sequence[Path], text: str, reading: Reading = OWN, *, force: bool) -> str:
    """Make *text* the golden that is made of *files*; return the change as a diff.

    The first of *files* is written, or removed where it is a variant that says nothing any more.
    Raises GoldenError where that cannot be, or work would be lost.
    """
    path = files[0]
    old, new = _planned(files, text, reading, force=force)
    if old is not None and reading.lines(old) == reading.lines(new):
        return ""
    if not new and len(files) > 1:
        if old is None:
            return ""
        golden.remove(path, force=force)
    else:
        golden.ensure_overwritable(path, force=force)
        golden.write(path, new)
    return compare.difference(path, old or "", new)


def _planned(
    files: Sequence[Path], text: str, reading: Reading, *, force: bool
) -> tuple[str | None, str]:
    """Return what is in the file to be written, None where there is none, and what shall be."""
    path, reference = files[0], None
    try:
        if len(files) > 1:
            reference = variants.load(files, reading)
        old = golden.read(path)
    except FileNotFoundError:
        old = None
    except GoldenError:  # an unresolved merge
        if len(files) > 1:
            raise
        golden.ensure_overwritable(path, force=force)
        old = text_of(path)
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    if reference is None and len(files) > 1:
        raise GoldenError(f"{files[-1]}: there is no golden; a variant has what differs from it")
    return old, reference.text(text) if reference else text
