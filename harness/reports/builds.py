# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between several builds: a table for the terminal, and a page."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

from goldlock.text import for_terminal

_WIDEST = 60
"""Characters of a row's name in the table."""


class Build(NamedTuple):
    """A build: what it is called, and the options that choose its programs."""

    name: str
    options: Sequence[str]


class Run(NamedTuple):
    """What came of a run with a build: its cases, as JSON lines have them, and what each printed.

    *outputs* has lines by the titles of sections, by the numbers of cases.
    """

    build: Build
    version: str
    cases: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Sequence[str]]]

    @property
    def failed(self) -> bool:
        """Whether a case of it failed."""
        return any(case["state"] == "failed" for case in self.cases.values())


class Row(NamedTuple):
    """A section that is not the same in all builds, with a letter for each build.

    Builds that print the same have the same letter; ``-`` is for one that has no such section.
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
    for number in dict.fromkeys(number for run in runs for number in run.cases):
        printed = [run.outputs.get(number, {}) for run in runs]
        for title in dict.fromkeys(title for sections in printed for title in sections):
            contents = [sections.get(title) for sections in printed]
            texts = [*dict.fromkeys(tuple(lines) for lines in contents if lines is not None)]
            absent = any(sections and title not in sections for sections in printed)
            if len(texts) > 1 or absent:
                letters = [
                    _letter(lines, texts) + _mark(run, number, title)
                    for run, lines in zip(runs, contents, strict=True)
                ]
                found.append(Row(number, title, letters, texts))
    return found


def _letter(lines: Sequence[str] | None, texts: Sequence[Sequence[str]]) -> str:
    return "-" if lines is None else chr(ord("A") + texts.index(tuple(lines)))


def _mark(run: Run, number: str, title: str) -> str:
    sections = run.cases[number]["sections"] if number in run.cases else []
    failing = {each["title"] for each in sections if not each["passed"]}
    return "!" if title in failing else ""


def table(runs: Sequence[Run]) -> str:
    """Return what became of each case, then which sections differ, as tables of words."""
    states = [
        [number, *(str(run.cases.get(number, {}).get("state", "-")) for run in runs)]
        for number in dict.fromkeys(number for run in runs for number in run.cases)
    ]
    lines = [*_table(["case", *(run.build.name for run in runs)], states)]
    different = rows(runs)
    if not different:
        return "\n".join([*lines, "", "all sections are the same with all builds"])
    names = [_shortened(f"{row.case} [{row.title}]") for row in different]
    cells = [[name, *row.letters] for name, row in zip(names, different, strict=True)]
    lines += ["", *_table(["section", *(run.build.name for run in runs)], cells), ""]
    lines.append("the same letter: the same output; -: no such section; !: not as in the golden")
    return "\n".join(for_terminal(line) for line in lines)


def _shortened(name: str) -> str:
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 4]}...]"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    columns = [*zip(head, *body, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    for row in (head, *body):
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()


def changes(row: Row) -> Iterator[tuple[str, list[str]]]:
    """Yield how each text of a row differs from the first: a heading, and lines of a diff."""
    first, *others = row.texts
    for index, text in enumerate(others):
        lines = [*unified_diff(first, text, n=1, lineterm="")][3:]
        yield f"A became {chr(ord('B') + index)}", lines


def page(runs: Sequence[Run]) -> str:
    """Return the tables as an HTML page, with how each section differs."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only for those who want it

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(autoescape=True, loader=loader, undefined=StrictUndefined)
    template = environment.get_template("builds.html.j2")
    numbers = [*dict.fromkeys(number for run in runs for number in run.cases)]
    return template.render(runs=runs, numbers=numbers, rows=rows(runs), changes=changes)
