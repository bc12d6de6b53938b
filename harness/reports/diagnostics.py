# SPDX-License-Identifier: GPL-2.0-or-later
"""The failures of a run, one by one, each at a line of a file: what is annotated."""

from collections.abc import Iterator
from itertools import dropwhile, takewhile
from typing import NamedTuple

from goldlock.result import CaseResult, Report, SectionResult

_SIDES = {"-": "expected", "+": "got"}


class Finding(NamedTuple):
    """A failure at a line of a file. *title* and *summary* are one line each.

    *flaky* tells how often it failed, if not each time; *text* begins with it.
    """

    path: str
    line: int
    title: str
    summary: str
    text: str
    flaky: str = ""


def findings(report: Report) -> Iterator[Finding]:
    """Yield what failed: sections at their golden's line, problems of a case at its file."""
    for case in report.cases:
        yield from _of_case(case)
    for other in report.others:
        first, _, _ = other.text.partition("\n")
        yield Finding(other.path, 1, "goldlock", first, other.text)


def _of_case(case: CaseResult) -> Iterator[Finding]:
    often = case.flaky
    before = f"{often}: " if often else ""
    for section in case.sections:
        if not section.passed:
            title = f"{case.number} [{section.title}]"
            summary = f"{section.message}{_first_change(section)}"
            text = f"{before}{section.text}"
            yield Finding(section.file, section.line, title, summary, text, often)
    if case.problems:
        first, _, _ = case.problems[0].partition("\n")
        text = before + "\n".join(case.problems)
        yield Finding(case.path, 1, case.number, first, text, often)


def _first_change(section: SectionResult) -> str:
    """Return the first lines that are not as they were, on either side."""
    changed = dropwhile(lambda row: row[0] not in _SIDES, section.rows)
    first = takewhile(lambda row: row[0] in {*_SIDES, "?"}, changed)
    texts = {mark: text for mark, _, text in reversed([*first])}
    said = [f"{word} {texts[mark][:100]!r}" for mark, word in _SIDES.items() if mark in texts]
    return f": {', '.join(said)}" if said else ""
