# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures where GitHub and GitLab show them: beside the golden's line, in a review.

GitHub reads commands off the output of a job; it shows the first ten errors of a step. GitLab
has no such command; it reads a file of the kind "code quality" from a job's artifacts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from goldlock.reports.diagnostics import findings
from goldlock.reports.record import Report
from goldlock.reports.repo_paths import here, in_repository


def github(report: Report, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield an ``::error`` command for each failure."""
    for finding in findings(report):
        path = in_repository(finding.path, environ)
        properties = {"file": path, "line": str(finding.line), "title": finding.title}
        said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        yield f"::error {said}::{_data(here(finding.text))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def gitlab(report: Report, environ: Mapping[str, str]) -> str:
    """Return a report of code quality: a JSON list with an object for each failure.

    The fingerprint, by which GitLab tells new failures from old ones, does not depend on lines,
    so that a failure stays the same one when something is added above it; nor does it on how
    often a flaky case failed.
    """
    issues = []
    for finding in findings(report):
        path = in_repository(finding.path, environ)
        identity = f"{path}\0{finding.title}\0{finding.summary}"
        often = f"{finding.flaky}: " if finding.flaky else ""
        issues.append(
            {
                "description": f"{often}{finding.title}: {here(finding.summary)}",
                "check_name": "goldlock",
                "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
                "severity": "major",
                "location": {"path": path, "lines": {"begin": finding.line}},
            }
        )
    return json.dumps(issues, indent=2) + "\n"
