# SPDX-License-Identifier: GPL-2.0-or-later
"""Charts of a run: what became of its cases, how long they took, and which ran side by side.

Coordinates are percentages, so that a chart is as wide as the page, and its text is not stretched.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import floor, log10

from goldlock.result import CaseResult
from goldlock.text import count, format_duration

BARS = 20
"""Cases that the chart of durations has, the slowest ones."""

BLOCKS = 1000
"""Cases that the timeline has, the slowest ones."""

_LANE = 26
"""Height of a lane of the timeline, in pixels."""

_NARROW = 480
"""Width of a timeline, in pixels, in which the blocks' numbers have to fit."""


def shares(numbers: Mapping[str, int]) -> str:
    """Return a bar with a part for each state, as large as its share."""
    total = sum(numbers.values())
    parts, at = [], 0.0
    for state, number in numbers.items():
        if number:
            share = 100 * number / total
            parts.append(
                f'<rect class="{state.replace(" ", "-")}" x="{at:.3f}%" width="{share:.3f}%"'
                f' height="100%"><title>{number} {state}</title></rect>'
            )
            at += share
    return f'<svg class="shares" aria-hidden="true">{"".join(parts)}</svg>'


def durations(cases: Sequence[CaseResult]) -> str:
    """Return a bar for each of the slowest cases, this time above last time; nothing for none."""
    ran = sorted((case for case in cases if case.seconds), key=lambda c: -c.seconds)
    if not ran:
        return ""
    shown, rest = ran[:BARS], ran[BARS:]
    longest = max(max(case.seconds, case.last or 0) for case in shown)
    lines = ['<section class="durations">', "<h2>Durations</h2>"]
    if any(case.last for case in shown):
        lines.append(
            '<p class="key"><i class="now"></i> this time <i class="last"></i> last time</p>'
        )
    if any(case.runs > 1 for case in shown):
        lines.append("<p>Of a case that was run more than once, one run is shown.</p>")
    lines.append('<div class="bars">')
    for case in shown:
        lines += _bar(case, longest)
    lines.append("</div>")
    if rest:
        together = sum(case.seconds for case in rest)
        lines.append(
            f"<p>and {count(len(rest), 'case')} more, {format_duration(together)} together</p>"
        )
    return "\n".join([*lines, "</section>"])


def _bar(case: CaseResult, longest: float) -> list[str]:
    kind = case.state.replace(" ", "-")
    now, last = 100 * case.seconds / longest, 100 * (case.last or 0) / longest
    said = format_duration(case.seconds) + (
        f" <small>{format_duration(case.last or 0)}</small>" if last else ""
    )
    return [
        f'<a href="#case-{case.number}">{escape(case.number)}</a>',
        f'<svg aria-hidden="true"><rect class="{kind}" width="{now:.2f}%" height="9" rx="2"/>'
        f'<rect class="last" y="11" width="{last:.2f}%" height="4" rx="1"/></svg>',
        f"<span>{said}</span>",
    ]


def timeline(cases: Sequence[CaseResult]) -> str:
    """Return which case ran when, those at the same time one below the other; nothing for one."""
    timed = [case for case in cases if case.started and case.seconds]
    ran = sorted(timed, key=lambda case: -case.seconds)[:BLOCKS]
    if len(ran) < 2:
        return ""
    ran.sort(key=lambda case: case.started)
    begin = ran[0].started
    total = max(case.started + case.seconds for case in ran) - begin
    ends: list[float] = []
    blocks = []
    for case in ran:
        start = case.started - begin
        lane = next((n for n, end in enumerate(ends) if end <= start), len(ends))
        ends[lane : lane + 1] = [start + case.seconds]
        blocks.append(_block(case, 100 * start / total, 100 * case.seconds / total, lane))
    height = len(ends) * _LANE
    lines = ['<section class="timeline">', "<h2>Side by side</h2>"]
    lines.append(f'<svg height="{height + 22}" role="img" aria-label="which case ran when">')
    lines += _axis(total, height)
    return "\n".join([*lines, *blocks, "</svg>", "</section>"])


def _block(case: CaseResult, start: float, width: float, lane: int) -> str:
    kind, number = case.state.replace(" ", "-"), escape(case.number)
    fits = width * _NARROW / 100 > 8 + 8 * len(number)
    label = f'<text x="6" y="{_LANE - 11}">{number}</text>' if fits else ""
    return (
        f'<a href="#case-{number}"><title>{number}: {format_duration(case.seconds)}</title>'
        f'<svg x="{start:.3f}%" y="{lane * _LANE}" width="{width:.3f}%" height="{_LANE - 4}">'
        f'<rect class="{kind}" width="100%" height="100%" rx="2"/>{label}</svg></a>'
    )


def _axis(total: float, height: int) -> list[str]:
    """Return lines at round times, four to eight of them."""
    rough = total / 7
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    lines = []
    for index in range(int(total / step) + 1):
        x = 100 * index * step / total
        lines.append(f'<line x1="{x:.2f}%" x2="{x:.2f}%" y2="{height + 4}"/>')
        if x < 92:  # there has to be room for it
            label = f"{index * step:g} s" if step >= 0.1 else f"{index * step * 1000:g} ms"
            lines.append(f'<text class="tick" x="{x:.2f}%" y="{height + 18}">{label}</text>')
    return lines
