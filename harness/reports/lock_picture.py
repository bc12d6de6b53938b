# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock calls of some processes as one HTML page: a lane each, time downwards, a bar a lock."""

from collections.abc import Sequence
from typing import NamedTuple

from goldlock.lockcalls.history import SHARED, History, Hold
from goldlock.lockcalls.words import range_text
from goldlock.reports.pages import template


class Bar(NamedTuple):
    """A lock in the grid: from line to line, in one of the columns of its lane."""

    column: int
    top: int
    bottom: int
    title: str
    kind: str


class Lane(NamedTuple):
    """A process: its name, its first column, that of its words, and its bars."""

    name: str
    column: int
    words: int
    bars: tuple[Bar, ...]


def document(history: History, command: Sequence[str]) -> str:
    """Return the whole page; it needs nothing but itself."""
    lanes, column = {}, 2
    for pid, name in history.programs.items():
        held = [hold for hold in history.holds if hold.pid == pid]
        bars = _bars(history, held, column)
        words = max((bar.column for bar in bars), default=column - 1) + 1
        lanes[pid] = Lane(f"{name} (pid {pid})", column, words, bars)
        column = words + 1
    page = template("lock_picture.html.j2")
    return page.render(
        rows=history.rows, lanes=lanes, command=" ".join(command), widths=_widths(lanes)
    )


def _widths(lanes: dict[int, Lane]) -> str:
    """Return the widths of the grid's columns: the time, then each lane's bars and words."""
    return "5.5rem " + " ".join(
        f"{'9px ' * (lane.words - lane.column)}minmax(12rem, 1fr)" for lane in lanes.values()
    )


def _bars(history: History, held: Sequence[Hold], first: int) -> tuple[Bar, ...]:
    """Put each lock into the first column, from *first* on, where nothing is in its way."""
    free: list[int] = []  # the row from which on each column is free
    bars = []
    for hold in sorted(held, key=lambda h: h.since):
        until = len(history.rows) if hold.until is None else hold.until
        at = next((i for i, row in enumerate(free) if row <= hold.since), len(free))
        free[at : at + 1] = [until]
        kind = "shared" if hold.kind in SHARED else "file" if hold.kind == "file" else "exclusive"
        kind += "" if hold.sure else " unsure"
        bars.append(
            Bar(first + at, hold.since + 2, max(until, hold.since + 1) + 2, _title(hold), kind)
        )
    return tuple(bars)


def _title(hold: Hold) -> str:
    if hold.system == "file":
        return f"{hold.path}, a file that is there"
    where = "" if hold.system == "flock" else f" {range_text(hold.first, hold.last)}"
    name = f" ({hold.name})" if hold.name else ""
    end = "" if hold.sure else "; let go before the end of the bar, by closing the file"
    return f"{hold.path}{where}{name}, {hold.kind}, {hold.system}{end}"
