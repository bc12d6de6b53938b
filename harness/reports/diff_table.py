# SPDX-License-Identifier: GPL-2.0-or-later
"""A difference as a table: the golden on the left, the output on the right."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import Literal, NamedTuple

from goldlock.result import Row
from goldlock.text import matching_effort

_EFFORT = 5_000_000
"""Steps that it may take to tell two lines apart, past which only their common ends are."""


class Span(NamedTuple):
    """A part of a line; *changed* where it is not in the other side's."""

    text: str
    changed: bool = False


class TableRow(NamedTuple):
    """Lines that stand side by side; None where one side has none, one text for both sides."""

    kind: Literal["gap", "same", "changed", "note"]
    number: int | None = None
    left: Sequence[Span] | None = None
    right: Sequence[Span] | None = None


def table(rows: Sequence[Row]) -> Iterator[TableRow]:
    """Yield the rows of a difference; lines that stand side by side have their changes marked."""
    for changed, group in groupby(rows, lambda row: row.mark in {"-", "+", "?"}):
        if changed:
            yield from _changed([*group])
            continue
        for row in group:
            yield TableRow("gap" if row.mark == "." else "same", row.number, [Span(row.text)])


def _changed(rows: Sequence[Row]) -> Iterator[TableRow]:
    """Yield lines that were changed: the golden's beside the output's, then notes about them."""
    old = [row for row in rows if row.mark == "-"]
    new = [row for row in rows if row.mark == "+"]
    for was, became in zip_longest(old, new):
        left, right = ([Span(each.text)] if each else None for each in (was, became))
        if was and became:
            left, right = marked(was.text, became.text)
        yield TableRow("changed", was.number if was else None, left, right)
    for row in rows:
        if row.mark == "?" and row.text.strip(" ^"):  # carets mark what is marked here
            yield TableRow("note", None, [Span(row.text)])


def marked(a: str, b: str) -> tuple[list[Span], list[Span]]:
    """Return two lines with what differs between them; each as a whole if most does."""
    was, became = [], []
    for equal, i, j, k, m in _codes(a, b):
        was.append(Span(a[i:j], not equal))
        became.append(Span(b[k:m], not equal))
    return [span for span in was if span.text], [span for span in became if span.text]


def _codes(a: str, b: str) -> list[tuple[bool, int, int, int, int]]:
    if matching_effort(a, b) > _EFFORT:
        return _common_ends(a, b)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < 0.5:
        return [(True, 0, len(a), 0, len(b))]
    return [(tag == "equal", i, j, k, m) for tag, i, j, k, m in matcher.get_opcodes()]


def _common_ends(a: str, b: str) -> list[tuple[bool, int, int, int, int]]:
    shortest = min(len(a), len(b))
    head = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    tail = next((i for i in range(shortest - head) if a[-1 - i] != b[-1 - i]), shortest - head)
    return [
        (True, 0, head, 0, head),
        (False, head, len(a) - tail, head, len(b) - tail),
        (True, len(a) - tail, len(a), len(b) - tail, len(b)),
    ]
