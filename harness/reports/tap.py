# SPDX-License-Identifier: GPL-2.0-or-later
"""A run in the Test Anything Protocol: cases are tests, their sections subtests of them.

It says version 13, since the ``prove`` that is mostly installed refuses 14, which is 13 with
subtests written down; readers of either take it, and old ones pass over what is indented.

The YAML under what failed has the golden's line and the difference. Its strings are quoted as
JSON has them, which is YAML, too, and holds whatever a program may print.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, Report
from goldlock.text import for_json, for_tap, printable


def document(report: Report) -> str:
    """Return the whole document; with the plan of all cases, also when not all were judged."""
    run, cases, others = report.run, report.cases, report.others
    lines = ["TAP version 13", *(f"# {printable(line)}" for line in run.heading)]
    planned = max(run.cases, len(cases)) + len(others)
    lines.append(f"1..{planned}")
    for number, case in enumerate(cases, start=1):
        lines += _case(number, case)
    for number, other in enumerate(others, start=len(cases) + 1):
        lines.append(f"not ok {number} - {for_tap(here(other.path))}")
        lines += _yaml({"message": here(other.text), "severity": "fail"}, [])
    if report.end.stopped:
        lines.append("Bail out! the run was stopped before all cases were judged")
    return "\n".join(lines) + "\n"


def _case(number: int, case: CaseResult) -> Iterator[str]:
    sections, skipped = case.sections, case.skipped
    if sections or skipped:
        yield f"# Subtest: {case.name}"
        yield f"    1..{len(sections) + len(skipped)}"
        for index, section in enumerate(sections, start=1):
            word = "ok" if section.passed else "not ok"
            yield f"    {word} {index} - {for_tap(section.title)}"
            if not section.passed:
                fields = {
                    "message": section.message,
                    "severity": "fail",
                    "at": {"file": here(section.file), "line": section.line},
                }
                yield from _yaml(fields, section.text.split("\n")[1:], "    ")
        for index, part in enumerate(skipped, start=len(sections) + 1):
            yield f"    ok {index} - {for_tap(part)} # SKIP"
    word = "not ok" if case.state == "failed" else "ok"
    skip = f" # SKIP {for_tap(case.reason)}" if case.state == "not run" else ""
    yield f"{word} {number} - {case.name}{skip}"
    known: dict[str, object] = {"duration_ms": round(case.seconds * 1000, 3)}
    if case.runs > 1:
        known |= {"runs": case.runs, "failed_runs": case.failed_runs}
    if case.state == "failed":
        known |= {"severity": "fail", "at": {"file": here(case.path)}}
        known |= {"problems": [here(problem) for problem in case.problems]}
        known |= {"kept": case.kept} if case.kept else {}
    if not skip:
        yield from _yaml(known, [])


def _yaml(fields: Mapping[str, object], diff: Sequence[str], indent: str = "") -> Iterator[str]:
    yield f"{indent}  ---"
    for name, value in fields.items():
        yield f"{indent}  {name}: {_quoted(value)}"
    if diff:
        yield f"{indent}  diff:"
        yield from (f"{indent}    - {_quoted(line)}" for line in diff)
    yield f"{indent}  ..."


def _quoted(value: object) -> str:
    return json.dumps(for_json(value), ensure_ascii=False)
