# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcomes of orders as one HTML page: a lane for each program, and what is held beside them."""

from collections.abc import Sequence
from typing import NamedTuple

from goldlock.kernel_locks import Span, overlap
from goldlock.lockcalls.history import without
from goldlock.lockcalls.words import range_text
from goldlock.orders.effects import READ, WRITE, Effect, Step, program_of
from goldlock.orders.history import order_text
from goldlock.orders.jobs import LETTERS
from goldlock.orders.outcome import Outcome
from goldlock.orders.report import is_plain, step_text
from goldlock.reports.pages import template


class Program(NamedTuple):
    """A program's name, and its command line."""

    name: str
    command: str


class Row(NamedTuple):
    """A step: in which lane, in words, who holds what after it.

    *turn*: another program went before it; *refused*: it met a lock.
    """

    lane: int
    text: str
    held: str
    turn: bool
    refused: bool


class Drawn(NamedTuple):
    """An outcome, with its order string and its steps; *mark* says what must not be in it."""

    text: str
    order: str
    mark: str
    rows: Sequence[Row]


def document(
    programs: Sequence[Program], outcomes: Sequence[Outcome], marks: Sequence[str], claim: str
) -> str:
    """Return the whole page; *marks* say of each outcome why it must not be: "never", or ""."""
    drawn = [
        Drawn(each.text, order_text(each.actors), mark, _rows(each.steps, programs))
        for each, mark in zip(outcomes, marks, strict=True)
    ]
    page = template("order_picture.html.j2")
    return page.render(programs=programs, outcomes=drawn, claim=claim)


def _rows(steps: Sequence[Step], programs: Sequence[Program]) -> list[Row]:
    names = {letter: program.name for letter, program in zip(LETTERS, programs, strict=False)}
    held: dict[tuple[str, str], set[Span]] = {}
    rows, last = [], ""
    for step in steps:
        program = program_of(step.actor)
        for effect in step.effects:
            _apply(held, program, effect, got=step.result == "ok")
        text = step_text(step, names)
        text = text if step.actor == program else f"{step.actor}: {text}"
        turn = last not in ("", program)
        lane = LETTERS.index(program)
        rows.append(Row(lane, text, _table(held, names), turn, not is_plain(step)))
        last = program
    return rows


def _apply(
    held: dict[tuple[str, str], set[Span]],
    program: str,
    effect: Effect,
    *,
    got: bool,
) -> None:
    if not effect.is_lock:
        return
    ranges = held.setdefault((program, effect.name.removeprefix("flock of ")), set())
    if effect.mode not in (READ, WRITE):
        if "look" not in effect.mode:
            gone = (effect.first, effect.last)
            for span in [span for span in ranges if overlap(span, gone)]:
                ranges.remove(span)
                ranges.update(without(span, gone))
    elif got:
        ranges.add((effect.first, effect.last))


def _table(held: dict[tuple[str, str], set[Span]], names: dict[str, str]) -> str:
    """Return who holds which bytes: ``creator: 100 101 of t.qcow2; writer: 100 of t.qcow2``."""
    parts = []
    for (program, name), ranges in sorted(held.items()):
        if ranges:
            spans = " ".join(range_text(*span) for span in sorted(ranges, key=lambda s: s[0]))
            parts.append(f"{names[program]}: {spans} of {name}")
    return "; ".join(parts)
