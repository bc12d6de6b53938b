# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between several builds: a table for the terminal, and a page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any, NamedTuple

from goldlock.text import for_terminal

_WIDEST = 60
"""Characters of a row's name in the table, unless another is the same up to there."""

KEY = "the same letter: the same output; -: no such section; !: not as in the golden"
"""What stands in a row."""


class Build(NamedTuple):
    """A build: what it is called, and the options that choose its programs."""

    name: str
    options: Sequence[str]


class Run(NamedTuple):
    """What came of a run with a build: its cases, as JSON lines have them, and what each printed.

    *outputs* has lines by the titles of sections, by the numbers of cases that were run. *reason*
    tells why the run came to nothing, if it did.
    """

    build: Build
    version: str = ""
    cases: Mapping[str, Mapping[str, Any]] = {}
    outputs: Mapping[str, Mapping[str, Sequence[str]]] = {}
    reason: str = ""
    failed: bool = False

    def state(self, number: str) -> str:
        """Return what became of a case."""
        return "no run" if self.reason else str(self.cases.get(number, {}).get("state", "-"))

    def why_not_run(self, number: str) -> str:
        """Return why a case was not run; nothing where it was."""
        reason = str(self.cases.get(number, {}).get("reason", "it is not there"))
        return "" if number in self.outputs else reason


class Row(NamedTuple):
    """A section that is not the same in all builds, with a letter for each build.

    Builds that print the same have the same letter; ``-`` is for one that has no such section,
    words are for one that has not run the case.
    ``!`` stands behind the letter where it is not as in the golden.
    """

    case: str
    title: str
    letters: Sequence[str]
    texts: Sequence[Sequence[str]]
    """What each letter stands for, from A on."""


def rows(runs: Sequence[Run]) -> list[Row]:
    """Return the sections that differ, in the order of cases and of what they print."""
    found = []
    for number in numbers(runs):
        printed = [run.outputs.get(number, {}) for run in runs]
        for title in dict.fromkeys(title for sections in printed for title in sections):
            contents = [sections.get(title) for sections in printed]
            texts = [*dict.fromkeys(tuple(lines) for lines in contents if lines is not None)]
            absent = any(number in run.outputs and title not in run.outputs[number] for run in runs)
            if len(texts) > 1 or absent:
                letters = [
                    _letter(lines, texts) + _mark(run, number, title)
                    if number in run.outputs
                    else run.state(number)
                    for run, lines in zip(runs, contents, strict=True)
                ]
                found.append(Row(number, title, letters, texts))
    return found


def _letter(lines: Sequence[str] | None, texts: Sequence[Sequence[str]]) -> str:
    return "-" if lines is None else chr(ord("A") + texts.index(tuple(lines)))


def _mark(run: Run, number: str, title: str) -> str:
    failing = {each["title"] for each in run.cases[number]["sections"] if not each["passed"]}
    return "!" if title in failing else ""


def numbers(runs: Sequence[Run]) -> list[str]:
    """Return the numbers of all cases, in their order."""
    return [*dict.fromkeys(number for run in runs for number in run.cases)]


def not_run(runs: Sequence[Run]) -> list[str]:
    """Tell which cases were not run, with which builds, and why, a line each."""
    reasons: dict[str, list[str]] = {}
    for run in runs:
        for number in numbers(runs) if not run.reason else ():
            if run.state(number) == "not run":
                why = f"{run.build.name}: {run.why_not_run(number)}"
                reasons.setdefault(why, []).append(number)
    whole = [f"no run: {run.build.name}: {run.reason}" for run in runs if run.reason]
    return [*whole, *(f"not run: {' '.join(cases)}: {why}" for why, cases in reasons.items())]


def table(runs: Sequence[Run]) -> str:
    """Return what became of each case, then which sections differ, as tables of words."""
    names = [run.build.name for run in runs]
    states = [[number, *(run.state(number) for run in runs)] for number in numbers(runs)]
    states.append(["passed", *map(_passed, runs)])
    states.append(["version", *(run.version.partition(" (")[0] or "-" for run in runs)])
    lines = [*_table(["case", *names], states)]
    if why := not_run(runs):
        lines += ["", *why]
    different = rows(runs)
    if not different:
        limits = " that have run them" if why else ""
        return "\n".join([*lines, "", f"all sections are the same with all builds{limits}"])
    whole = [f"{row.case} [{row.title}]" for row in different]
    cut = Counter(map(_shortened, whole))
    titles = [each if cut[_shortened(each)] > 1 else _shortened(each) for each in whole]
    cells = [[title, *row.letters] for title, row in zip(titles, different, strict=True)]
    lines += ["", *_table(["section", *names], cells), "", KEY]
    return "\n".join(map(for_terminal, lines))


def _passed(run: Run) -> str:
    passed = sum(case["state"] == "passed" for case in run.cases.values())
    return f"{passed} of {len(run.cases)}"


def _shortened(name: str) -> str:
    half = (_WIDEST - 3) // 2
    return name if len(name) <= _WIDEST else f"{name[:half]}...{name[-half:]}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    columns = [*zip(head, *body, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    for row in (head, *body):
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()


def difference(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the lines of a diff of two texts."""
    return [*unified_diff(old, new, n=1, lineterm="")][3:]


def changes(row: Row) -> Iterator[tuple[str, list[str]]]:
    """Yield how each text of a row differs from the first: a heading, and lines of a diff."""
    first, *others = row.texts
    for index, text in enumerate(others):
        yield f"A became {chr(ord('B') + index)}", difference(first, text)


def page(runs: Sequence[Run]) -> str:
    """Return the tables as an HTML page, with how each section differs."""
    from goldlock.reports.pages import template  # Jinja2, for those who want a page

    return template("builds.html.j2").render(
        runs=runs,
        numbers=numbers(runs),
        not_run=not_run(runs),
        rows=rows(runs),
        changes=changes,
        key=KEY,
    )
