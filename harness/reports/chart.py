# SPDX-License-Identifier: GPL-2.0-or-later
"""Charts of a run: what became of its cases, how long they took, and which ran side by side.

Coordinates are percentages, so that a chart is as wide as the page, and its text is not stretched.
"""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import NamedTuple

from goldlock.result import CaseResult, State

BARS = 20
"""Cases that the chart of durations has, the slowest ones."""

BLOCKS = 1000
"""Cases that the timeline has, the slowest ones."""

_NARROW = 480
"""Width of a timeline, in pixels, in which the blocks' numbers have to fit."""


class Share(NamedTuple):
    """How many cases ended in a state, and where in a bar of all they are."""

    state: State
    number: int
    start: float
    width: float


class Bar(NamedTuple):
    """How long a case took, this time and last time, as percentages of the longest."""

    case: CaseResult
    now: float
    last: float


class Durations(NamedTuple):
    """Bars of the slowest cases; *more* cases took *seconds* together."""

    bars: Sequence[Bar]
    more: int
    seconds: float


class Block(NamedTuple):
    """When a case ran, in which lane; *fits* says that there is room for its number."""

    case: CaseResult
    start: float
    width: float
    lane: int
    fits: bool


class Tick(NamedTuple):
    """A round time, and where it is."""

    x: float
    label: str


class Timeline(NamedTuple):
    """Which case ran when, those at the same time one below the other."""

    blocks: Sequence[Block]
    lanes: int
    ticks: Sequence[Tick]


def shares(numbers: Mapping[State, int]) -> list[Share]:
    """Return a part for each state, as large as its share."""
    total, at = sum(numbers.values()) or 1, 0.0
    parts = []
    for state, number in numbers.items():
        parts.append(Share(state, number, at, 100 * number / total))
        at += parts[-1].width
    return parts


def durations(cases: Sequence[CaseResult]) -> Durations:
    """Return a bar for each of the slowest cases."""
    ran = sorted((case for case in cases if case.seconds), key=lambda case: -case.seconds)
    shown, rest = ran[:BARS], ran[BARS:]
    longest = max((max(case.seconds, case.last or 0) for case in shown), default=1.0)
    bars = [
        Bar(case, 100 * case.seconds / longest, 100 * (case.last or 0) / longest) for case in shown
    ]
    return Durations(bars, len(rest), sum(case.seconds for case in rest))


def timeline(cases: Sequence[CaseResult]) -> Timeline | None:
    """Return which case ran when; None for less than two cases."""
    timed = [case for case in cases if case.started and case.seconds]
    ran = sorted(timed, key=lambda case: -case.seconds)[:BLOCKS]
    if len(ran) < 2:
        return None
    ran.sort(key=lambda case: case.started)
    begin = ran[0].started
    total = max(case.started + case.seconds for case in ran) - begin
    ends: list[float] = []
    blocks = []
    for case in ran:
        start = case.started - begin
        lane = next((n for n, end in enumerate(ends) if end <= start), len(ends))
        ends[lane : lane + 1] = [start + case.seconds]
        width = 100 * case.seconds / total
        fits = width * _NARROW / 100 > 8 + 8 * len(case.name)
        blocks.append(Block(case, 100 * start / total, width, lane, fits))
    return Timeline(blocks, len(ends), _ticks(total))


def _ticks(total: float) -> list[Tick]:
    """Return round times, four to eight of them."""
    rough = total / 7
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    times = [index * step for index in range(int(total / step) + 1)]
    return [
        Tick(100 * time / total, f"{time:g} s" if step >= 0.1 else f"{time * 1000:g} ms")
        for time in times
    ]
