# SPDX-License-Identifier: GPL-2.0-or-later
"""A failure as a person wants to read it."""

import json
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from math import isinf
from pathlib import Path
from typing import Any

from goldlock.goldens.variants import Golden
from goldlock.result import Change, Row, SectionResult
from goldlock.text import WIDTH_LIMIT, matching_effort, printable, shorten

CONTEXT = 2
"""Lines of the golden that are shown before and after a change."""

LINE_LIMIT = 40
"""Lines of one side of a change, past which only a count is shown."""

ROW_LIMIT = 500
"""Lines of a section's difference that are shown."""

JSON_LIMIT = 100_000
"""Characters of a line of JSON, past which it is not taken apart."""

JSON_DEPTH = 50
"""Lists and objects of JSON one in the other, past which it is not, either."""

EFFORT = 200_000_000
"""Steps that it may take, at worst, to find what differs inside the lines of a case: about two
seconds. Past that, lines that differ are only shown."""

_VALUE = 4000
"""Such steps that DeepDiff takes for a value of JSON, beside matching lists."""


class Budget:
    """The steps that are left for differences inside lines."""

    def __init__(self, steps: float = EFFORT) -> None:
        self._left = steps

    def spend(self, steps: float) -> bool:
        """Tell whether there are so many steps left, and take them."""
        if steps > self._left:
            return False
        self._left -= steps
        return True


def explain(section: SectionResult, golden: Golden, budget: Budget) -> None:
    """Say how a section, which has changes, differs from the golden."""
    first = section.changes[0]
    path, section.line = golden.place(first.start)
    section.file = str(path)
    _explain(section, golden, budget)
    section.rows = [
        row._replace(number=golden.place(row.number - 1)[1]) if row.number else row
        for row in section.rows
    ]


def _explain(section: SectionResult, golden: Golden, budget: Budget) -> None:
    lines, heading, first = golden.lines, golden.reading.heading, section.changes[0]
    if section.missing:
        section.message = (
            f"the output has nothing of this section ({first.stop - first.start} lines)"
        )
        section.rows = [*_changed(lines, first, budget)]
        return
    section.message = "the output differs from the golden"
    done = 0
    nexts = [*(change.start for change in section.changes[1:]), len(lines)]
    for position, (change, following) in enumerate(zip(section.changes, nexts, strict=True)):
        if len(section.rows) > ROW_LIMIT:
            rest = section.changes[position:]
            more = sum(max(each.stop - each.start, len(each.got)) for each in rest)
            section.rows.append(Row("?", None, f"... and {more} more lines"))
            break
        start = _back(lines, change.start, done, heading)
        if start > done and done:
            section.rows.append(Row(".", None, ""))
        section.rows += _context(lines, start, change.start)
        section.rows += _changed(lines, change, budget)
        done = _ahead(lines, change.stop, following, heading)
        section.rows += _context(lines, change.stop, done)


def explain_new(section: SectionResult, script: Path) -> None:
    """Say that all of a section of the case in *script*, which has no golden, is new."""
    section.file, section.line, section.message = str(script), 1, "new: there is no golden"
    section.rows = [row for change in section.changes for row in _changed([], change, Budget(0))]


def _back(lines: Sequence[str], start: int, lowest: int, heading: Callable[[str], str]) -> int:
    """Return where the lines to show before *start* begin: not before its section's heading."""
    begin = start
    while begin > max(lowest, start - CONTEXT):
        begin -= 1
        if heading(lines[begin]):
            break
    return begin


def _ahead(lines: Sequence[str], stop: int, highest: int, heading: Callable[[str], str]) -> int:
    """Return where the lines to show after *stop* end: before the next heading."""
    end = stop
    while end < min(highest, stop + CONTEXT, len(lines)) and not heading(lines[end]):
        end += 1
    return end


def _context(lines: Sequence[str], start: int, stop: int) -> Iterator[Row]:
    for index in range(start, stop):
        yield Row(" ", index + 1, shorten(lines[index]))


def _changed(lines: Sequence[str], change: Change, budget: Budget) -> Iterator[Row]:
    old = lines[change.start : change.stop]
    if len(old) == len(change.got) <= LINE_LIMIT:
        for index, (a, b) in enumerate(zip(old, change.got, strict=True)):
            yield Row("-", change.start + index + 1, shorten(a))
            yield Row("+", None, shorten(b))
            yield from _inside(a, b, budget)
        return
    for index, text in enumerate(old[:LINE_LIMIT]):
        yield Row("-", change.start + index + 1, shorten(text))
    yield from _rest(len(old), "golden")
    for text in change.got[:LINE_LIMIT]:
        yield Row("+", None, shorten(text))
    yield from _rest(len(change.got), "output")


def _rest(count: int, side: str) -> Iterator[Row]:
    if count > LINE_LIMIT:
        yield Row("?", None, f"... and {count - LINE_LIMIT} more lines of the {side}")


def _inside(a: str, b: str, budget: Budget) -> Iterator[Row]:
    """Say where two lines differ: inside their JSON, in which characters, or from where on."""
    shown, other = printable(shorten(a)), printable(shorten(b))
    if said := _json_difference(a, b, budget):
        for text in said:
            yield Row("?", None, shorten(text))
    elif a[:WIDTH_LIMIT] == b[:WIDTH_LIMIT]:  # what differs is not in sight
        at = next((i for i, (c, d) in enumerate(zip(a, b, strict=False)) if c != d), None)
        at = min(len(a), len(b)) if at is None else at
        tails = (ascii(line[at : at + 40]) for line in (a, b))
        yield Row("?", None, f"from character {at + 1} on: {' became '.join(tails)}")
    elif max(len(shown), len(other)) <= WIDTH_LIMIT:
        affordable = budget.spend(matching_effort(shown, other))
        if affordable and (marks := _carets(shown, other)):
            yield Row("?", None, marks)


def _carets(a: str, b: str) -> str:
    """Return ``^`` under the characters of *b* that differ from *a*; nothing for most of it."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < 0.5:
        return ""
    marks = [" "] * (len(b) + 1)
    for tag, _, _, start, stop in matcher.get_opcodes():
        if tag != "equal":
            marks[start : max(stop, start + 1)] = "^" * max(stop - start, 1)
    return "".join(marks).rstrip()


def _json_difference(a: str, b: str, budget: Budget) -> list[str]:
    """Say what differs between two lines of JSON; nothing for others, and for what takes long."""
    try:
        old, new = _json(a), _json(b)
        effort = max(_effort(old), _effort(new))
    except (ValueError, RecursionError):
        return []
    if not budget.spend(effort):
        return []
    from deepdiff import DeepDiff  # only a failure is worth 50 ms of import

    found = DeepDiff(old, new, verbose_level=2, ignore_private_variables=False)
    said = [line for line in str(found.pretty()).split("\n") if line]
    return said or ["the same JSON, written differently"]


def _json(line: str) -> Any:
    if not line.startswith(("{", "[")) or len(line) > JSON_LIMIT:
        raise ValueError
    return json.loads(line, object_pairs_hook=_object, parse_float=_number)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; raise ValueError for a key that is there twice, of which it has one."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _number(text: str) -> float:
    """Make a number; raise ValueError for one that is too large, as all of them are the same."""
    made = float(text)
    if isinf(made):
        raise ValueError
    return made


def _effort(value: Any, depth: int = 0) -> float:
    """Return how many steps DeepDiff takes at worst for a value beside one that is much like it."""
    if depth > JSON_DEPTH:
        return float("inf")
    if isinstance(value, dict):
        return _VALUE + sum(_effort(each, depth + 1) for each in value.values())
    if isinstance(value, list):
        items = [*map(repr, value)]
        return matching_effort(items, items) + sum(_effort(each, depth + 1) for each in value)
    return _VALUE
