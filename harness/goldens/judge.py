# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge an output by its golden, or, on update, the other way round."""

from collections.abc import Sequence
from pathlib import Path

from goldlock.goldens import compare, diff, golden, variants
from goldlock.goldens.compare import OWN, Reading
from goldlock.goldens.golden import GoldenError
from goldlock.goldens.variants import Golden
from goldlock.result import CaseResult
from goldlock.text import shorten


def judge(  # noqa: PLR0913 - two of them only with another layout, or to write
    result: CaseResult,
    files: Sequence[Path],
    output: Path,
    reading: Reading = OWN,
    *,
    update: bool = False,
    force: bool = False,
) -> None:
    """Hold *output* against a golden and its variants; put down in *result* how they differ.

    *files* are those of `variants.files`; *reading* is how they and the output are taken apart.

    With *update*, the golden becomes what the output is, if the case was completed: by *force*
    also where work is lost that way.
    """
    try:
        if update:
            _update(result, files, output, reading, force=force)
        else:
            _compare(result, files, output, reading)
    except GoldenError as error:
        result.problems.append(str(error))


def _compare(result: CaseResult, files: Sequence[Path], output: Path, reading: Reading) -> None:
    size, path = output.stat().st_size, files[-1]
    reference = Golden(path, [], reading=reading)
    try:
        if max(size, path.stat().st_size) > compare.TOO_LARGE:
            if len(files) > 1:
                raise GoldenError(f"{files[0]}: no variant where a text is not taken apart")
            _compare_large(result, path, output)
            return
        reference = variants.load(files, reading)
    except FileNotFoundError:
        result.golden_missing = True
        way_out = (
            "read the output, then --update makes one"
            if result.completed
            else "there can be one when the case comes to its end"
        )
        result.problems.append(f"{path}: no golden; {way_out}")
    except OSError as error:
        raise GoldenError(f"{error.filename or path}: {error.strerror}") from None
    if size > compare.TOO_LARGE:
        return
    for block in reference.stale:
        where, said = f"{block.path}:{block.first}", "this section says nothing that is not said"
        result.problems.append(f"{where}: {said} in {path.name}; --update removes it")
    lines = reference.lines
    got = reading.lines(_text(output))
    result.sections = compare.Comparison(lines, got, reading.heading).results
    budget = diff.Budget()
    for section in result.failing:  # without a golden, all of the output is shown as new
        result.golden_lines, result.golden_files = lines, [*map(str, files)]
        if result.golden_missing:
            diff.explain_new(section, Path(result.path))
        else:
            diff.explain(section, reference, budget)


def _compare_large(result: CaseResult, path: Path, output: Path) -> None:
    if found := compare.first_difference(path, output):
        number, line, other = found
        result.problems.append(
            f"{path}:{number}: the output differs from here on; it has {output.stat().st_size}"
            " bytes, too many to be taken apart into sections"
            f"\n- {shorten(line)}\n+ {shorten(other)}"
        )


def _update(
    result: CaseResult, files: Sequence[Path], output: Path, reading: Reading, *, force: bool
) -> None:
    """Make the golden what the output is, if the case came to its end, and no work is lost."""
    path = files[0]
    if not result.completed:
        result.problems.append(f"{path} is as it was: only a case that ran to its end updates it")
        return
    text = _text(output)
    lines = reading.lines(text)
    result.sections = compare.Comparison(lines, lines, reading.heading).results
    result.update = write(files, text, force=force)


def write(files: Sequence[Path], text: str, *, force: bool) -> str:
    """Make *text* the golden that is made of *files*; return the change as a diff.

    The first of *files* is written, or removed where it is a variant that says nothing any more.
    Raises GoldenError where that cannot be, or work would be lost.
    """
    path, reference = files[0], None
    try:
        if len(files) > 1:
            reference = variants.load(files)
        old = golden.read(path)
    except FileNotFoundError:
        old = None
    except GoldenError:  # an unresolved merge
        if len(files) > 1:
            raise
        golden.ensure_overwritable(path, force=force)
        old = _text(path)
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    if reference is None and len(files) > 1:
        raise GoldenError(f"{files[-1]}: there is no golden; a variant has what differs from it")
    new = reference.text(text) if reference else text
    if old is not None and compare.to_lines(old) == compare.to_lines(new):
        return ""
    if not new and len(files) > 1:
        if old is None:
            return ""
        golden.remove(path, force=force)
    else:
        golden.ensure_overwritable(path, force=force)
        golden.write(path, new)
    return compare.difference(path, old or "", new)


def _text(output: Path) -> str:
    return output.read_bytes().decode("utf-8", "surrogateescape")
