# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge an output by its golden, or, on update, the other way round."""

from pathlib import Path

from goldlock.goldens import compare, diff, golden
from goldlock.goldens.golden import GoldenError
from goldlock.result import CaseResult
from goldlock.text import shorten

TOO_LARGE = 8 * 1024 * 1024
"""Size in bytes past which a text is not taken apart into sections."""


def judge(result: CaseResult, output: Path, *, update: bool = False, force: bool = False) -> None:
    """Hold *output* against the golden of *result*, and put down there how they differ.

    With *update*, the golden becomes what the output is, if the case was completed: by *force*
    also where work is lost that way.
    """
    try:
        if update:
            _update(result, output, force)
        else:
            _compare(result, output)
    except GoldenError as error:
        result.problems.append(str(error))


def _compare(result: CaseResult, output: Path) -> None:
    size, path = output.stat().st_size, Path(result.golden)
    lines: list[str] = []
    try:
        if max(size, path.stat().st_size) > TOO_LARGE:
            _compare_large(result, output, size)
            return
        lines = compare.to_lines(golden.read(path))
    except FileNotFoundError:
        result.golden_missing = True
        way_out = (
            "read the output, then --update makes one"
            if result.completed
            else "there can be one when the case comes to its end"
        )
        result.problems.append(f"{path}: no golden; {way_out}")
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    if size > TOO_LARGE:
        return
    result.sections = compare.Comparison(lines, compare.to_lines(_text(output))).results
    for section in result.failing:  # without a golden, all of the output is shown as new
        result.golden_lines = lines
        if result.golden_missing:
            diff.explain_new(section, Path(result.path))
        else:
            diff.explain(section, path, lines)


def _compare_large(result: CaseResult, output: Path, size: int) -> None:
    if found := compare.first_difference(Path(result.golden), output):
        number, line, other = found
        result.problems.append(
            f"{result.golden}:{number}: the output differs from here on; it has {size} bytes,"
            f" too many to be taken apart into sections\n- {shorten(line)}\n+ {shorten(other)}"
        )


def _update(result: CaseResult, output: Path, force: bool) -> None:
    """Make the golden what the output is, if the case came to its end, and no work is lost."""
    path = Path(result.golden)
    if not result.completed:
        result.problems.append(f"{path} is as it was: only a case that ran to its end updates it")
        return
    new = _text(output)
    try:
        old = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        old = None
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    lines = compare.to_lines(new)
    result.sections = compare.Comparison(lines, lines).results
    if old is not None and compare.to_lines(old) == lines:
        return
    golden.ensure_overwritable(path, force=force)
    golden.write(path, new)
    result.update = compare.difference(path, old or "", new)


def _text(output: Path) -> str:
    return output.read_bytes().decode("utf-8", "surrogateescape")
