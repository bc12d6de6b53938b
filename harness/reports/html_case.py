# SPDX-License-Identifier: GPL-2.0-or-later
"""One case on the HTML page: a line about it, and what is folded under that."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from goldlock.reports import diff_table
from goldlock.reports.repo_paths import here
from goldlock.result import CUT, CaseResult, RunInfo, SectionResult
from goldlock.text import count, first_lines, format_duration, heading, sections

_UPDATE_LINES = 500
"""Lines of the change of a golden that are shown."""

_STRIP = 120
"""Sections of a case that are shown as a strip of little squares."""


def case(record: CaseResult, run: RunInfo, *, unfolded: bool) -> Iterator[str]:
    """Yield a case; *unfolded* shows all of it at once."""
    state = record.state
    kind = state.replace(" ", "-")
    yield f'<details class="case {kind}" id="case-{record.number}"{" open" * unfolded}>'
    yield "<summary>"
    badge = "flaky" if record.flaky else state
    yield f'<span class="state">{badge}</span>'
    yield f'<span class="number">{escape(record.number)}</span>'
    yield f'<span class="groups">{escape(" ".join(record.groups))}</span>'
    yield _reason_or_strip(record)
    golden = Path(record.golden).name if record.state != "not run" else ""
    yield f'<span class="golden">{escape(golden)}</span>'
    yield f'<span class="time">{times(record) if record.seconds else ""}</span>'
    yield "</summary>"
    yield from _body(record, run)
    yield "</details>"


def times(record: CaseResult) -> str:
    """Return how long a case took, and how much longer or shorter than last time."""
    last = f" <small>last {format_duration(record.last)}</small>" if record.last else ""
    return f"{format_duration(record.seconds)}{last}"


def _reason_or_strip(record: CaseResult) -> str:
    if record.state == "not run":
        return f'<span class="strip">{escape(record.reason)}</span>'
    return _strip(record.sections)


def _strip(sections: list[SectionResult]) -> str:
    """Return a square for each section."""
    squares = "".join("<i></i>" if s.passed else '<i class="differs"></i>' for s in sections)
    differ = sum(not section.passed for section in sections)
    title = count(len(sections), "section") + (f", {differ} differ" if differ else "")
    if not sections:
        title = squares = ""
    if len(sections) > _STRIP:
        squares = f"{len(sections)}"
    return f'<span class="strip" title="{title}">{squares}</span>'


def _body(record: CaseResult, run: RunInfo) -> Iterator[str]:
    yield '<div class="body">'
    if record.runs > 1:
        failed, runs = record.failed_runs, record.runs
        ended = "Failed" if failed else "Passed"
        said = record.flaky or f"{ended} in each of {count(runs, 'run')}"
        yield f"<p><b>{said}</b>; what follows is of one of them.</p>"
    if record.reason:
        yield f'<p class="reason">{escape(record.reason)}</p>'
    for problem in record.problems:
        yield from _problem(here(problem))
    log = _log_by_section(record)
    anchors = {} if record.log.startswith(CUT) else {part.title: part.anchor for part in log}
    for section in record.sections:
        if not section.passed:
            yield from _failing(section, anchors.get(section.title, ""))
    if record.update:
        yield "<h4>The golden was written anew</h4>"
        yield f'<pre class="update">{_coloured(first_lines(record.update, _UPDATE_LINES))}</pre>'
    yield from _passing(record.sections)
    if record.log:
        yield "<details><summary>What its programs were told and said, before any filter</summary>"
        yield from _log(record, log)
        yield "</details>"
    yield from _foot(record, run)
    yield "</div>"


def _problem(text: str) -> Iterator[str]:
    """Yield what is wrong with a case as a whole; its processes and locks, if it tells them."""
    first, _, rest = text.partition("\n")
    yield f'<div class="problem"><p>{escape(first)}</p>'
    if rest:
        lines = (
            f"<mark>{escape(line)}</mark>" if line.lstrip().startswith("holds ") else escape(line)
            for line in rest.split("\n")
        )
        yield f"<pre>{chr(10).join(lines)}</pre>"
    yield "</div>"


class _Logged(NamedTuple):
    """What the log has of a section, and where on the page that is."""

    title: str
    anchor: str
    text: str


def _log_by_section(record: CaseResult) -> list[_Logged]:
    """Take a log apart at the headings of the sections; none for a log that has no heading."""
    lines = record.log.split("\n")
    parts = sections(lines)
    if not heading(lines[parts[-1].start]):
        return []
    return [
        _Logged(part.title, f"log-{record.number}-{index}", "\n".join(lines[start : part.stop]))
        for index, part in enumerate(parts)
        if (start := part.start + bool(heading(lines[part.start]))) < part.stop
    ]


def _log(record: CaseResult, parts: list[_Logged]) -> Iterator[str]:
    """Yield a log, as parts to unfold where it has headings."""
    if not parts:
        yield f"<pre>{escape(record.log)}</pre>"
    failing = {section.title for section in record.sections if not section.passed}
    for part in parts:
        yield f'<details class="log" id="{part.anchor}"{" open" * (part.title in failing)}>'
        yield f"<summary>{escape(part.title)}</summary><pre>{escape(part.text)}</pre></details>"


def _failing(section: SectionResult, anchor: str) -> Iterator[str]:
    yield '<details class="section" open>'
    yield f"<summary><b>{escape(section.title)}</b> {escape(section.message)}"
    yield f" <code>{escape(here(section.file))}:{section.line}</code>"
    yield f' <a href="#{anchor}">log</a></summary>' if anchor else "</summary>"
    yield diff_table.table(section.rows)
    yield "</details>"


def _passing(sections: list[SectionResult]) -> Iterator[str]:
    titles = [section.title for section in sections if section.passed]
    if titles:
        yield f"<details><summary>{count(len(titles), 'section')} as expected</summary>"
        yield '<ul class="titles">'
        yield from (f"<li>{escape(title)}</li>" for title in titles)
        yield "</ul></details>"


def _foot(record: CaseResult, run: RunInfo) -> Iterator[str]:
    number, differs = record.number, any(not each.passed for each in record.sections)
    yield '<dl class="foot">'
    again = escape(run.rerun_command(record))
    yield f"<div><dt>Once more</dt><dd><code>{again}</code></dd></div>"
    if differs and not record.flaky and all("no golden" in problem for problem in record.problems):
        again = escape(run.command(number, "--update"))
        yield f"<div><dt>If it is right so</dt><dd><code>{again}</code></dd></div>"
    yield f"<div><dt>Case</dt><dd>{escape(here(record.path))}</dd></div>"
    yield f"<div><dt>Golden</dt><dd>{escape(here(record.golden))}</dd></div>"
    if record.kept:
        yield f"<div><dt>Kept</dt><dd>{escape(record.kept)}</dd></div>"
    yield "</dl>"


def _coloured(diff: str) -> str:
    tags = {"-": "del", "+": "ins"}
    lines = (
        f"<{tag}>{escape(line)}</{tag}>" if (tag := tags.get(line[:1])) else escape(line)
        for line in diff.split("\n")
    )
    return "\n".join(lines)
