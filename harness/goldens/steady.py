# SPDX-License-Identifier: GPL-2.0-or-later
"""What is another one in each run of a case, so that a golden that has it could never pass."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock import filters
from goldlock.goldens import compare
from goldlock.text import count, shorten

_SHOWN = 10
"""How many lines of a golden are told that could not pass."""
VOLATILE = "'# filters: volatile PATTERN NAME' in the header writes a name for a pattern"
_PID_FILTERS = {"pids": filters.pids, "holders": filters.holders}


class Name(NamedTuple):
    """A text that only one run has: *what* it is, and the *way* out."""

    text: str
    what: str
    way: str


NO_PIDS = (0, 0)
"""Of a run whose process ids are not known."""

_FIRST_AGAIN = 300
"""The process id with which the kernel begins anew (RESERVED_PIDS in kernel/pid.c)."""


class Printed(NamedTuple):
    """What a run of a case has printed; *names* are its own, *pids* were given out meanwhile.

    These are the first and the last process id; where they have begun anew, the last is smaller.
    """

    text: str
    names: Sequence[Name] = ()
    pids: tuple[int, int] = NO_PIDS

    def has_pid(self, number: int) -> bool:
        """Tell whether a number was a process id while the case ran."""
        first, last = self.pids
        if self.pids == NO_PIDS:
            return False
        if first <= last:
            return first <= number <= last
        return number >= first or _FIRST_AGAIN <= number <= last

    def common(self) -> str:
        """Return the text without the names of this run: `why_not` tells of them anyway."""
        text = self.text
        for name in self.names:
            text = text.replace(name.text, "...")
        return text


def why_not(path: Path, printed: Printed, again: Printed | None = None) -> list[str]:
    """Return why a golden could not pass that had what was *printed*: each time, lines to show.

    *again* is what a second run has printed.
    """
    found = [*_names(printed), *(_pids(printed) if again is None else [])]
    lines = printed.text.split("\n")
    said = [
        f"{path}:{number}: not written, as it could not pass: {why}\n+ {shorten(lines[number - 1])}"
        for number, why in sorted(found)[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        said.append(f"{path}: {count(len(found) - _SHOWN, 'line')} more could not pass")
    return said + ([] if again is None else _differences(path, printed, again))


def _names(printed: Printed) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(printed.text.split("\n"), 1):
        name = next((name for name in printed.names if name.text in line), None)
        if name:
            yield number, f"{name.what}; {name.way}"


def _pids(printed: Printed) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(printed.text.split("\n"), 1):
        for name, change in _PID_FILTERS.items():
            gone = _numbers(line) - _numbers(change(line))
            if any(map(printed.has_pid, gone)):
                yield number, f"a process id of this run; {filter_way(name)}"
                break


def _numbers(line: str) -> Counter[int]:
    return Counter(int(digits) for digits in re.findall(r"[0-9]{1,10}", line))


def _differences(path: Path, printed: Printed, again: Printed) -> list[str]:
    """Say how two runs differ, if they do, but for their names."""
    one, other = printed.common(), again.common()
    pairs = zip(compare.to_lines(one), compare.to_lines(other), strict=False)
    if compare.to_lines(one) == compare.to_lines(other):
        return []
    at = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), one.count("\n") + 1)
    runs = "the first run", "the second run"
    return [
        f"{path}:{at}: not written: a second run of the case printed something else;"
        f" {_way_out(one, other)}\n{compare.difference(path, one, other, runs)}"
    ]


def _way_out(one: str, other: str) -> str:
    if Counter(compare.to_lines(one)) == Counter(compare.to_lines(other)):
        return filter_way("unordered")
    for name, change in _PID_FILTERS.items():
        if change(one) == change(other):
            return filter_way(name)
        if len(_differing(change(one), change(other))) < len(_differing(one, other)):
            return f"{filter_way(name)} in part, and {VOLATILE}"
    return VOLATILE


def _differing(one: str, other: str) -> list[tuple[str, str]]:
    pairs = zip(compare.to_lines(one), compare.to_lines(other), strict=False)
    return [pair for pair in pairs if pair[0] != pair[1]]


def filter_way(name: str) -> str:
    """Return how a case gets a filter."""
    return f"'# filters: {name}' in the header mends it"
