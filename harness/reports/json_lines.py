# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as JSON lines: an object for each event, written as it happens.

``{"event": "run start", ...}`` has what is under test, ``case`` what came of one (in the order
in which they were judged), ``other`` a failure that is none of a case's, ``run end`` the rest.
A file without ``run end`` is of a run that was killed. The other fields are those of
`goldlock.result`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from goldlock.result import CaseResult, OtherFailure, Report, RunInfo, State
from goldlock.text import for_json


def run_start(run: RunInfo) -> str:
    """Return the first line."""
    told = asdict(run)
    facts = told.pop("facts")
    del told["rows"], told["heading"], told["typed"]
    return _line("run start", {**told, **facts})


def case(result: CaseResult) -> str:
    """Return the line of a case."""
    fields = result.as_dict()
    del fields["shown"]  # the console's; `log` has the end of it
    return _line("case", {"number": fields.pop("name"), **fields})


def other(failure: OtherFailure) -> str:
    """Return the line of another failure."""
    return _line("other", asdict(failure))


def run_end(report: Report) -> str:
    """Return the last line, with totals."""
    sections = [section for each in report.cases for section in each.sections]
    totals = {
        **{str(state): report.number_of(state) for state in State},
        "sections": len(sections),
        "differing": sum(not section.passed for section in sections),
        "others": len(report.others),
    }
    return _line("run end", {**asdict(report.end), "totals": totals})


def _line(event: str, fields: Mapping[str, Any]) -> str:
    return json.dumps(for_json({"event": event, **fields}), ensure_ascii=False)
