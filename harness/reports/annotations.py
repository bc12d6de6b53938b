# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures where GitHub and GitLab show them: beside the golden's line, in a review.

GitHub reads commands off the output of a job; it shows the first ten errors of a step. GitLab
has no such command; it reads a file of the kind "code quality" from a job's artifacts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from goldlock.reports.diagnostics import findings
from goldlock.reports.repo_paths import here, in_repository
from goldlock.result import Report
from goldlock.text import for_github, for_github_property, for_terminal, printable


def github(report: Report, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield an ``::error`` command for each failure."""
    for finding in findings(report):
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
    for finding in findings(report):
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
