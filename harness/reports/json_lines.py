# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as JSON lines: an object for each event, written as it happens.

``{"event": "run start", ...}`` has what is under test, ``case`` what came of one (in the order
in which they were judged), ``other`` a failure that is none of a case's, ``run end`` the rest.
A file without ``run end`` is of a run that was killed. The other fields are those of
`goldlock.reports.record`.
"""

import json
from typing import Any

from goldlock.reports.record import CaseRecord, EndRecord, OtherRecord, Report, RunRecord


def run_start(run: RunRecord) -> str:
    """Return the first line."""
    told = {key: value for key, value in run.items() if key not in ("facts", "rows", "heading")}
    return _line("run start", {**told, **run["facts"]})


def case(record: CaseRecord) -> str:
    """Return the line of a case."""
    return _line("case", record)


def other(record: OtherRecord) -> str:
    """Return the line of another failure."""
    return _line("other", record)


def run_end(report: Report) -> str:
    """Return the last line, with totals."""
    states = [each["state"] for each in report["cases"]]
    sections = [section for each in report["cases"] for section in each["sections"]]
    totals = {
        "passed": states.count("passed"),
        "failed": states.count("failed"),
        "not run": states.count("not run"),
        "sections": len(sections),
        "differing": sum(not section["passed"] for section in sections),
        "others": len(report["others"]),
    }
    return _line("run end", {**report["end"], "totals": totals})


def _line(
    event: str, fields: RunRecord | CaseRecord | OtherRecord | EndRecord | dict[str, Any]
) -> str:
    return json.dumps({"event": event, **fields}, ensure_ascii=False)
