# SPDX-License-Identifier: GPL-2.0-or-later
"""A failure as a person wants to read it."""

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, NamedTuple

from goldlock.goldens.compare import Change, SectionResult, is_heading

CONTEXT = 2
"""Lines of the golden that are shown before and after a change."""

LINE_LIMIT = 40
"""Lines of one side of a change, past which only a count is shown."""

WIDTH_LIMIT = 1000
"""Characters of a line that are shown."""

JSON_LIMIT = 100_000
"""Characters of a line of JSON, past which it is not taken apart."""

Mark = Literal[" ", "-", "+", "?", "."]


class Line(NamedTuple):
    """A line to show: of the golden (" " or "-"), of the output ("+"), or about them ("?").

    "." stands for lines that are left out.
    """

    mark: Mark
    number: int | None
    """The number of a golden's line."""
    text: str

    def __str__(self) -> str:
        if self.mark == ".":
            return "    ..."
        return f"{self.mark} {self.number or '':>5}  {self.text}".rstrip()


class Difference(NamedTuple):
    """How a section differs from the golden: in which line, in a word, and line by line.

    *file* is what *line* is of: the golden, or the case's script where there is no golden.
    """

    file: Path
    line: int
    message: str
    lines: list[Line]
    missing: bool
    """The output has nothing of the section; *lines* are the golden's, and go without saying."""

    def __str__(self) -> str:
        """Name file and line; then show the changes, each with the lines around it."""
        head = f"{self.file}:{self.line}: {self.message}"
        return "\n".join([head, *([] if self.missing else map(str, self.lines))])


def difference(result: SectionResult, golden: Path, lines: Sequence[str]) -> Difference:
    """Return how a section, which has changes, differs from *lines*, the golden's."""
    first = result.changes[0]
    at = min(first.start + 1, max(len(lines), 1))
    if result.missing:
        message = f"the output has nothing of this section ({first.stop - first.start} lines)"
        return Difference(golden, at, message, list(_changed(lines, first)), missing=True)
    shown: list[Line] = []
    done = 0
    nexts = [*(change.start for change in result.changes[1:]), len(lines)]
    for change, following in zip(result.changes, nexts, strict=True):
        start = _back(lines, change.start, done)
        if start > done and done:
            shown.append(Line(".", None, ""))
        shown += _context(lines, start, change.start)
        shown += _changed(lines, change)
        done = change.stop
        end = _ahead(lines, done, following)
        shown += _context(lines, done, end)
        done = end
    return Difference(golden, at, "the output differs from the golden", shown, missing=False)


def addition(result: SectionResult, script: Path) -> Difference:
    """Return a section of the case in *script*, which has no golden, as a difference: all new."""
    shown = [line for change in result.changes for line in _changed([], change)]
    return Difference(script, 1, "new: there is no golden", shown, missing=False)


def printable(text: str) -> str:
    r"""Return *text* with all that a terminal would act on, or cannot show, as ``\x1b``."""
    if not text.isprintable():
        escaped = (c if c.isprintable() or c == "\t" else _escape(c) for c in text)
        text = "".join(escaped)
    return text if len(text) <= WIDTH_LIMIT else f"{text[:WIDTH_LIMIT]}... ({len(text)} characters)"


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]


def _back(lines: Sequence[str], start: int, lowest: int) -> int:
    """Return where the lines to show before *start* begin: not before its section's heading."""
    begin = start
    while begin > max(lowest, start - CONTEXT):
        begin -= 1
        if is_heading(lines[begin]):
            break
    return begin


def _ahead(lines: Sequence[str], stop: int, highest: int) -> int:
    """Return where the lines to show after *stop* end: before the next heading."""
    end = stop
    while end < min(highest, stop + CONTEXT, len(lines)) and not is_heading(lines[end]):
        end += 1
    return end


def _context(lines: Sequence[str], start: int, stop: int) -> Iterator[Line]:
    for index in range(start, stop):
        yield Line(" ", index + 1, printable(lines[index]))


def _changed(lines: Sequence[str], change: Change) -> Iterator[Line]:
    old = lines[change.start : change.stop]
    if len(old) == len(change.got) <= LINE_LIMIT:
        for index, (a, b) in enumerate(zip(old, change.got, strict=True)):
            yield Line("-", change.start + index + 1, printable(a))
            yield Line("+", None, printable(b))
            yield from _inside(a, b)
        return
    for index, text in enumerate(old[:LINE_LIMIT]):
        yield Line("-", change.start + index + 1, printable(text))
    yield from _rest(len(old), "golden")
    for text in change.got[:LINE_LIMIT]:
        yield Line("+", None, printable(text))
    yield from _rest(len(change.got), "output")


def _rest(count: int, side: str) -> Iterator[Line]:
    if count > LINE_LIMIT:
        yield Line("?", None, f"... and {count - LINE_LIMIT} more lines of the {side}")


def _inside(a: str, b: str) -> Iterator[Line]:
    """Say where two lines differ: inside their JSON, in which characters, or from where on."""
    old, new = _json(a), _json(b)
    shown, other = printable(a), printable(b)
    if old is not None and new is not None:
        for text in _json_difference(old, new):
            yield Line("?", None, printable(text))
    elif shown[:WIDTH_LIMIT] == other[:WIDTH_LIMIT]:  # what differs is not in sight
        at = next((i for i, (c, d) in enumerate(zip(a, b, strict=False)) if c != d), None)
        at = min(len(a), len(b)) if at is None else at
        tails = (ascii(line[at : at + 40]) for line in (a, b))
        yield Line("?", None, f"from character {at + 1} on: {' became '.join(tails)}")
    elif max(len(shown), len(other)) <= WIDTH_LIMIT and (marks := _carets(shown, other)):
        yield Line("?", None, marks)


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


def _json(line: str) -> Any:
    if not line.startswith(("{", "[")) or len(line) > JSON_LIMIT:
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _json_difference(old: Any, new: Any) -> list[str]:
    from deepdiff import DeepDiff  # only a failure is worth 50 ms of import

    said = DeepDiff(old, new, verbose_level=2).pretty()
    return [line for line in str(said).split("\n") if line] or [
        "the same JSON, written differently"
    ]


def count(number: int, noun: str) -> str:
    """Return ``1 case``, ``2 cases``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def tail(path: Path, count: int = 10) -> str:
    """Return the last lines of a file, for a person."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 100_000))
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    last = [line for line in lines if line.strip()][-count:]
    return "\n".join(f"    {printable(line.rstrip())}" for line in last)
