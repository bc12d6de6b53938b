# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as one HTML page: made of strings, complete in itself, fit to be mailed.

All that a program or a case wrote goes through `html.escape`. Should anything get past that, the
page's own policy lets no script run but the one below, and nothing be fetched from anywhere.
Without scripts all can be read, and filtered by state; with them, also by text.
"""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from operator import itemgetter
from pathlib import Path

from goldlock.reports import chart, html_case
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, Report
from goldlock.text import count, format_duration

_FOLDER = Path(__file__).parent
_STATES = ("failed", "passed", "not run")
_OPEN = 5
"""Cases that failed and are shown in full at once; of the others, only their lines."""

_COMMAND = "What failed, once more"
_JOB = "Job"

_NAMED = 20
"""Cases that are named in a command."""

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='{}'/%3E"
    "%3Cpath d='M5 8V6a3 3 0 0 1 6 0v2h1v5H4V8z' fill='white'/%3E%3C/svg%3E"
)


def document(report: Report) -> str:
    """Return the whole page."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = (_FOLDER / "page.js").read_text("utf-8")
    bad = bool(_count(report, "failed") or report.others)
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)};"
        f" script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(_verdict(report))}, {escape(report.run.suite)}</title>",
            f'<link rel="icon" href="{_ICON.format("%23c93c37" if bad else "%232da44e")}">',
            f"<style>{style}</style>",
            "</head>",
            f'<body class="{"bad" if bad else "good"}">',
            *_header(report),
            *_charts(report),
            *_cases(report),
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _count(report: Report, state: str) -> int:
    return sum(case.state == state for case in report.cases)


def _verdict(report: Report) -> str:
    total, failed = len(report.cases), _count(report, "failed")
    if failed:
        return f"{failed} of {count(total, 'case')} failed"
    if report.others:
        return count(len(report.others), "failure")
    if not _count(report, "passed"):
        return "No case was run"
    if not_run := _count(report, "not run"):
        return f"{count(total - not_run, 'case')} passed, {not_run} not run"
    return "The case passed" if total == 1 else f"All {count(total, 'case')} passed"


def _header(report: Report) -> Iterator[str]:
    run, end = report.run, report.end
    sections = [section for case in report.cases for section in case.sections]
    differ = sum(not section.passed for section in sections)
    moment = datetime.fromtimestamp(run.started, UTC)
    yield "<header>"
    yield f'<p class="brand">goldlock <span>{escape(run.suite)}</span></p>'
    yield f"<h1>{escape(_verdict(report))}</h1>"
    if end.stopped:
        yield '<p class="stopped">The run was stopped: what is missing here was not judged.</p>'
    facts = [
        count(len(sections), "section") + (f", <b>{differ} differ</b>" if differ else ""),
        format_duration(end.seconds),
        f'<time datetime="{moment.isoformat()}">{moment:%-d %B %Y, %H:%M:%S} UTC</time>',
    ]
    yield f'<p class="facts">{" · ".join(facts)}</p>'
    yield chart.shares({state: _count(report, state) for state in _STATES})
    yield '<dl class="under-test">'
    for name, value in filter(itemgetter(1), _under_test(report)):
        tag = "code" if name == _COMMAND else "span"
        said = f"<{tag}>{escape(value)}</{tag}>"
        if name == _JOB:
            said = f'<a href="{escape(value)}">{escape(value)}</a>'
        yield f"<div><dt>{escape(name)}</dt><dd>{said}</dd></div>"
    yield "</dl>"
    yield "</header>"


def _under_test(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what is under test, in words; and how to run what failed once more."""
    run = report.run
    yield from run.rows
    yield "Options", " ".join(run.how)
    yield "Host", run.host
    yield "Commit", run.commit
    yield _JOB, run.job
    failed = [case for case in report.cases if case.state == "failed"]
    if 0 < len(failed) <= _NAMED:
        yield _COMMAND, run.rerun_command(*failed)
    yield from run.programs.items()


def _charts(report: Report) -> Iterator[str]:
    bars, timeline = chart.durations(report.cases), chart.timeline(report.cases)
    if bars or timeline:
        yield '<div class="charts">'
        yield from (card for card in (bars, timeline) if card)
        yield "</div>"


def _cases(report: Report) -> Iterator[str]:
    cases = sorted(report.cases, key=_place)
    yield '<section class="cases">'
    yield "<h2>Cases</h2>"
    yield from _filter(report)
    yield '<p class="tools"><input type="search" placeholder="number, group, text ..."'
    yield ' aria-label="Show cases with this text"> <button id="open">open all</button>'
    yield ' <button id="close">close all</button> <output></output></p>'
    yield '<div class="list">'
    for other in report.others:
        yield f'<article class="case failed"><h3>{escape(Path(other.path).name)}</h3>'
        yield f"<pre>{escape(here(other.text))}</pre></article>"
    for index, case in enumerate(cases):
        unfolded = index < _OPEN and case.state == "failed"
        yield from html_case.case(case, report.run, unfolded=unfolded)
    yield "</div>"
    yield "</section>"


def _place(case: CaseResult) -> tuple[bool, int, str]:
    """Return what sorts cases: those that failed first, so that the first look is at them."""
    return case.state != "failed", int(case.number), case.path


def _filter(report: Report) -> Iterator[str]:
    """Yield buttons that the style sheet itself heeds: it needs no script."""
    numbers = {"all": len(report.cases), **{s: _count(report, s) for s in _STATES}}
    for index, (state, number) in enumerate(numbers.items()):
        name = state.replace(" ", "-")
        checked = "" if index else " checked"
        yield f'<input type="radio" name="show" id="show-{name}"{checked}>'
        yield f'<label for="show-{name}">{state} <b>{number}</b></label>'
