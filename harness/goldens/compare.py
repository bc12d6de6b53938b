# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between a golden and an output, section by section.

The comparison is exact but for white space at line ends.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from goldlock.result import Change, SectionResult
from goldlock.safe_open import open_file
from goldlock.text import Section, heading, matching_effort, sections

TOO_LARGE = 8 * 1024 * 1024
"""Size past which a text is not taken apart."""

_BLANKS = " \t\r\f\v"
_EFFORT = 50_000_000
"""Steps that `SequenceMatcher` may take at worst, about half a second; past that, lines that are
there once on each side are paired first, and what is between them for itself."""


def to_lines(text: str) -> list[str]:
    """Split a text at its line feeds, and drop the white space at line ends."""
    lines = [line.rstrip(_BLANKS) for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


class Reading(NamedTuple):
    """How a text is taken apart: into *lines*, of which some are the *heading* of a section.

    *heading* returns the words of such a line, and nothing for any other. *newline* says what ends
    a line, as for `io.StringIO`: nothing for any of the three, a carriage return among them.
    """

    lines: Callable[[str], list[str]]
    heading: Callable[[str], str]
    newline: str = "\n"


OWN = Reading(to_lines, heading)
"""How goldlock's own suites are read."""


_Span = tuple[int, int, int, int]
"""A change: lines start:stop of the golden became lines start:stop of the output."""


class Comparison:
    """A golden's lines and an output's, section by section.

    Sections are paired by their headings, in order; what has no partner is compared along
    with the section before it, so that one line too many or too few, be it a heading, is
    one section's failure.
    """

    def __init__(
        self, golden: Sequence[str], got: Sequence[str], heading: Callable[[str], str] = heading
    ) -> None:
        self.golden = golden
        self.got = got
        self._heading = heading
        self._theirs = sections(got, heading)
        self._partner: dict[int, int] = {}

    @cached_property
    def _ours(self) -> list[Section]:
        return sections(self.golden, self._heading)

    @cached_property
    def results(self) -> list[SectionResult]:
        """The sections of the output, then those of the golden that are missing in it."""
        results = [SectionResult(section.title) for section in self._theirs]
        if self.golden == self.got:  # mostly they are the same
            return results
        missing: dict[int, SectionResult] = {}
        for change, golden_section, got_section in self._attributed():
            if got_section is not None:
                results[got_section].changes.append(change)
                continue
            lost = self._ours[golden_section]
            result = missing.setdefault(golden_section, SectionResult(lost.title))
            result.changes.append(change)
            result.missing = (change.start, change.stop) == (lost.start, lost.stop)
        return [*results, *missing.values()]

    def _attributed(self) -> Iterator[tuple[Change, int, int | None]]:
        """Yield each change with its section in the golden and, unless lost, in the output."""
        spans: list[_Span] = []
        for ours, theirs in self._blocks():
            base, top = self._ours[ours[0]].start, self._ours[ours[-1]].stop
            start, stop = self._theirs[theirs[0]].start, self._theirs[theirs[-1]].stop
            for a, b, c, d in _line_changes(self.golden[base:top], self.got[start:stop]):
                spans.append((base + a, base + b, start + c, start + d))
        position = 0
        while position < len(spans):
            span = spans[position]
            if position + 1 < len(spans) and self._swapped(span, spans[position + 1]):
                # A line on the wrong side of a heading is one failure, that heading's.
                b, d = spans[position + 1][1], spans[position + 1][3]
                change = Change(span[0], b, tuple(self.got[span[2] : d]))
                yield change, _section_at(self._ours, b - 1), _section_at(self._theirs, d - 1)
                position += 1
            else:
                yield from self._in_sections(*span)
            position += 1

    def _swapped(self, one: _Span, other: _Span) -> bool:
        """Tell whether the lines of one change, on the far side of one line, are the other's."""
        lost, gained = self.golden[one[0] : one[1]], self.got[one[2] : one[3]]
        found, absent = self.got[other[2] : other[3]], self.golden[other[0] : other[1]]
        moved = {*lost, *gained}
        passed = [line for line in self.golden[one[1] : other[0]] if line not in moved]
        return len(passed) == 1 and [*lost] == [*found] and [*gained] == [*absent]

    def _blocks(self) -> list[tuple[list[int], list[int]]]:
        """Pair the sections of the two sides: groups of golden and output sections."""
        ours = [section.title for section in self._ours]
        theirs = [section.title for section in self._theirs]
        blocks: list[tuple[list[int], list[int]]] = [([], [])]
        done, so_far = 0, 0
        for a, b, c, d in (*_line_changes(ours, theirs), (len(ours),) * 2 + (len(theirs),) * 2):
            same = [*zip(range(done, a), range(so_far, c), strict=True)]
            self._partner.update(same)
            blocks += [([i], [j]) for i, j in same]
            blocks[-1][0].extend(range(a, b))
            blocks[-1][1].extend(range(c, d))
            done, so_far = b, d
        if not blocks[0][0] or not blocks[0][1]:  # nothing, or one side, before the first pair
            first, *rest = blocks
            if rest:
                rest[0] = ([*first[0], *rest[0][0]], [*first[1], *rest[0][1]])
                blocks = rest
        return blocks

    def _in_sections(
        self, a: int, b: int, c: int, d: int
    ) -> Iterator[tuple[Change, int, int | None]]:
        """Split a change of golden lines a:b into output lines c:d where sections begin."""
        inserted = _split(self._theirs, c, d)
        deleted = _split(self._ours, a, b)
        if len(inserted) == 1 and len(deleted) <= 1:
            section = _section_at(self._ours, a)
            yield Change(a, b, tuple(self.got[c:d])), section, inserted[0][0]
            return
        for section, start, stop in deleted:
            yield Change(start, stop, ()), section, self._home(section, start, stop, c)
        for section, start, stop in inserted:
            yield Change(b, b, tuple(self.got[start:stop])), _section_at(self._ours, b), section

    def _home(self, section: int, start: int, stop: int, at: int) -> int | None:
        """Return the output's section where golden lines are missing; None if it has none."""
        if section in self._partner:
            return self._partner[section]
        if start <= self._ours[section].start < stop:
            return None
        return _section_at(self._theirs, max(at - 1, 0))


def _split(all_sections: Sequence[Section], start: int, stop: int) -> list[tuple[int, int, int]]:
    """Return (section, start, stop) for each section that has lines of start:stop."""
    if start == stop:
        return []
    first, last = _section_at(all_sections, start), _section_at(all_sections, stop - 1)
    return [
        (index, max(start, all_sections[index].start), min(stop, all_sections[index].stop))
        for index in range(first, last + 1)
    ]


def _section_at(all_sections: Sequence[Section], line: int) -> int:
    return max(bisect_right(all_sections, line, key=lambda section: section.start) - 1, 0)


def _line_changes(a: Sequence[str], b: Sequence[str]) -> list[_Span]:
    """Return where two lists of lines differ, as (start, stop) in the one and the other."""
    if a == b:
        return []
    shortest = min(len(a), len(b))
    head = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    tail = next((i for i in range(shortest - head) if a[-1 - i] != b[-1 - i]), shortest - head)
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    return [(head + i, head + j, head + k, head + m) for i, j, k, m in _middle(middle_a, middle_b)]


def _middle(a: Sequence[str], b: Sequence[str]) -> list[_Span]:
    """Do what `_line_changes` does, for lists that begin and end with a difference."""
    if not a or not b:
        return [(0, len(a), 0, len(b))]
    if matching_effort(a, b) <= _EFFORT:
        codes = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
        return [(i, j, k, m) for tag, i, j, k, m in codes if tag != "equal"]
    in_a, in_b = Counter(a), Counter(b)
    pairs = _in_order([line for line in a if in_a[line] == in_b[line] == 1], a, b)
    if not pairs:
        return [(0, len(a), 0, len(b))]
    changes: list[_Span] = []
    i = k = 0
    for j, m in (*pairs, (len(a), len(b))):
        gap = _line_changes(a[i:j], b[k:m])
        changes += [(i + start, i + stop, k + c, k + d) for start, stop, c, d in gap]
        i, k = j + 1, m + 1
    return changes


def _in_order(lines: Sequence[str], a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return where lines that each side has once are in both: as many as are in the same order.

    That is the longest rising sequence of their places in *b*, found as one lays cards for
    patience: each on the first pile whose top is not lower.
    """
    in_a, in_b = ({line: place for place, line in enumerate(side)} for side in (a, b))
    tops: list[int] = []
    below: dict[int, int | None] = {}
    for line in lines:
        place = in_b[line]
        pile = bisect_left(tops, place)
        below[place] = tops[pile - 1] if pile else None
        tops[pile : pile + 1] = [place]
    found = []
    place_or_none = tops[-1] if tops else None
    while place_or_none is not None:
        found.append((in_a[b[place_or_none]], place_or_none))
        place_or_none = below[place_or_none]
    return found[::-1]


def apply(text: str, changes: Iterable[Change], reading: Reading = OWN) -> str:
    """Return a golden's *text* with *changes* of its sections made, and all else as it was."""
    lines = [*StringIO(text, newline=reading.newline)][: len(reading.lines(text))]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    result: list[str] = []
    done = 0
    # Of several insertions at one place, those of the output's earlier sections come first.
    for change in sorted(changes, key=lambda change: (change.start, change.stop)):
        result += [*lines[done : change.start], *(f"{line}\n" for line in change.got)]
        done = change.stop
    return "".join([*result, *lines[done:]])


def _bare(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").rstrip(f"\n{_BLANKS}")


def first_difference(golden: Path, output: Path) -> tuple[int, str, str] | None:
    """Compare files of any size, line by line: (line number, in the golden, in the output)."""
    with open_file(golden, follow=True) as ours, open_file(output) as theirs:
        number = 0
        while True:
            number += 1
            line, other = ours.readline(), theirs.readline()
            if bool(line) != bool(other) or _bare(line) != _bare(other):
                return number, _bare(line), _bare(other)
            if not line:
                return None


def difference(path: Path, old: str, new: str, said: tuple[str, str] = ("old", "new")) -> str:
    """Return a unified diff of two texts of a golden, called as *said*, unless they are large."""
    if max(len(old), len(new)) > TOO_LARGE:
        return f"{path}: has {len(new)} characters now, too many to show what changed"
    names = f"{path} ({said[0]})", f"{path} ({said[1]})"
    return "\n".join(unified_diff(to_lines(old), to_lines(new), *names, lineterm=""))
