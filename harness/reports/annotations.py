# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures where GitHub and GitLab show them: beside the golden's line, in a review.

GitHub reads commands off the output of a job; it shows the first ten errors of a step. GitLab
has no such command; it reads a file of the kind "code quality" from a job's artifacts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import dropwhile, takewhile
from typing import NamedTuple

from goldlock.reports.repo_paths import here, in_repository
from goldlock.result import CaseResult, Report, SectionResult
from goldlock.text import for_github, for_github_property, for_terminal, printable

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


def github(report: Report, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield an ``::error`` command for each failure."""
    for finding in _findings(report):
        path = in_repository(finding.path, environ)
        properties = {"file": path, "line": str(finding.line), "title": finding.title}
        said = ",".join(f"{name}={for_github_property(v)}" for name, v in properties.items())
        yield f"::error {said}::{for_github(here(finding.text))}"


def gitlab(report: Report, environ: Mapping[str, str]) -> str:
    """Return a report of code quality: a JSON list with an object for each failure.

    The fingerprint, by which GitLab tells new failures from old ones, does not depend on lines,
    so that a failure stays the same one when something is added above it; nor does it on how
    often a flaky case failed.
    """
    issues = []
    for finding in _findings(report):
        path = in_repository(finding.path, environ)
        identity = f"{path}\0{finding.title}\0{finding.summary}".encode(errors="surrogateescape")
        often = f"{finding.flaky}: " if finding.flaky else ""
        issues.append(
            {
                "description": for_terminal(f"{often}{finding.title}: {here(finding.summary)}"),
                "check_name": "goldlock",
                "fingerprint": hashlib.sha256(identity).hexdigest(),
                "severity": "major",
                "location": {"path": printable(path), "lines": {"begin": finding.line}},
            }
        )
    return json.dumps(issues, indent=2) + "\n"


def _findings(report: Report) -> Iterator[Finding]:
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
            title = f"{case.name} [{section.title}]"
            summary = f"{section.message}{_first_change(section)}"
            text = f"{before}{section.text}"
            yield Finding(section.file, section.line, title, summary, text, often)
    if case.problems:
        first, _, _ = case.problems[0].partition("\n")
        text = before + "\n".join(case.problems)
        yield Finding(case.path, 1, case.name, first, text, often)


def _first_change(section: SectionResult) -> str:
    """Return the first lines that are not as they were, on either side."""
    changed = dropwhile(lambda row: row[0] not in _SIDES, section.rows)
    first = takewhile(lambda row: row[0] in {*_SIDES, "?"}, changed)
    texts = {mark: text for mark, _, text in reversed([*first])}
    said = [f"{word} {texts[mark][:100]!r}" for mark, word in _SIDES.items() if mark in texts]
    return f": {', '.join(said)}" if said else ""
