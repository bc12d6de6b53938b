# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge an output by its golden; `goldlock.goldens.update` does it the other way round."""

from collections.abc import Sequence
from pathlib import Path

from goldlock.goldens import compare, diff, variants
from goldlock.goldens.compare import OWN, Reading
from goldlock.goldens.golden import GoldenError
from goldlock.goldens.variants import Golden
from goldlock.result import CaseResult
from goldlock.text import shorten


def judge(result: CaseResult, files: Sequence[Path], output: Path, reading: Reading = OWN) -> None:
    """Hold *output* against a golden and its variants; put down in *result* how they differ.

    *files* are those of `variants.files`; *reading* is how they and the output are taken apart.
    """
    try:
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
    got = reading.lines(text_of(output))
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


def text_of(output: Path) -> str:
    """Return the text of a file; bytes that are not UTF-8 are kept."""
    return output.read_bytes().decode("utf-8", "surrogateescape")
