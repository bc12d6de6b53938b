# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as one HTML page: complete in itself, fit to be mailed.

The template escapes all that a program or a case wrote. Should anything get past that, the page's
own policy lets no script run but the one of the page, and nothing be fetched from anywhere.
Without scripts all can be read, and filtered by state; with them, also by text.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from goldlock.reports import chart, diff_table
from goldlock.reports.pages import template
from goldlock.reports.repo_paths import here
from goldlock.result import CUT, CaseResult, Report, State
from goldlock.text import count, first_lines, format_duration, heading, natural, sections
from markupsafe import Markup

_FOLDER = Path(__file__).parent

_NAMED = 20
"""Cases that are named in a command."""


class Row(NamedTuple):
    """Something to know of the run; *kind* is ``span``, ``code`` or ``link``."""

    name: str
    text: str
    kind: str = "span"


class LogPart(NamedTuple):
    """What the log has of a section, and where on the page that is."""

    title: str
    anchor: str
    text: str
    failed: bool


def document(report: Report) -> str:
    """Return the whole page."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = (_FOLDER / "page.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)};"
        f" script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    )
    all_sections = [section for case in report.cases for section in case.sections]
    page = template(
        "page.html.j2",
        anchor_of=_anchor_of,
        can_be_right=_can_be_right,
        count_of=count,
        duration=format_duration,
        first_lines=first_lines,
        here=here,
        log_parts=_log_parts,
        table=diff_table.table,
    )
    return page.render(
        run=report.run,
        end=report.end,
        cases=sorted(report.cases, key=_failed_first),
        others=report.others,
        verdict=_verdict(report),
        bad=bool(report.number_of(State.FAILED) or report.others),
        sections=len(all_sections),
        differ=sum(not section.passed for section in all_sections),
        moment=datetime.fromtimestamp(report.run.started, UTC),
        shares=chart.shares({state: report.number_of(state) for state in State}),
        durations=chart.durations(report.cases),
        chart=chart.timeline(report.cases),
        rows=[*_rows(report)],
        policy=Markup(policy),
        style=Markup(style),
        script=Markup(script),
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _verdict(report: Report) -> str:
    total, failed = len(report.cases), report.number_of(State.FAILED)
    if failed:
        return f"{failed} of {count(total, 'case')} failed"
    if report.others:
        return count(len(report.others), "failure")
    if not report.number_of(State.PASSED):
        return "No case was run"
    if not_run := report.number_of(State.NOT_RUN):
        return f"{count(total - not_run, 'case')} passed, {not_run} not run"
    return "The case passed" if total == 1 else f"All {count(total, 'case')} passed"


def _failed_first(case: CaseResult) -> tuple[bool, tuple[bool, int, str], str]:
    return case.state is not State.FAILED, natural(case.name), case.path


def _rows(report: Report) -> Iterator[Row]:
    """Yield what is under test, where; and how to run what failed once more."""
    run = report.run
    yield from (Row(*row) for row in run.rows)
    yield Row("Options", " ".join(run.how))
    yield Row("Host", run.host)
    yield Row("Commit", run.commit)
    yield Row("Job", run.job, "link")
    failed = [case for case in report.cases if case.state is State.FAILED]
    if 0 < len(failed) <= _NAMED:
        yield Row("Run what failed again", run.rerun_command(*failed), "code")
    yield from (Row(*each) for each in run.programs.items())


def _can_be_right(case: CaseResult) -> bool:
    """Tell whether a case only differs from its golden, or has none: --update would write it."""
    only = all("no golden" in problem for problem in case.problems)
    return bool(case.failing) and not case.flaky and only


def _log_parts(case: CaseResult) -> list[LogPart]:
    """Take a log apart at the headings of the sections; none for a log that has no heading."""
    lines = case.log.split("\n")
    parts = sections(lines)
    if not heading(lines[parts[-1].start]):
        return []
    failing = {section.title for section in case.failing}
    found = []
    for index, part in enumerate(parts):
        start = part.start + bool(heading(lines[part.start]))
        if start < part.stop:
            text, anchor = "\n".join(lines[start : part.stop]), f"log-{case.name}-{index}"
            found.append(LogPart(part.title, anchor, text, part.title in failing))
    return found


def _anchor_of(parts: Sequence[LogPart], title: str) -> str:
    """Return where the log of a section is; nothing for a log without its beginning."""
    whole = parts and not parts[0].text.startswith(CUT)
    return next((part.anchor for part in parts if whole and part.title == title), "")
