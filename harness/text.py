# SPDX-License-Identifier: GPL-2.0-or-later
"""Words, and text made fit for who reads it.

Results hold text as programs, cases and file names have it: any character, and bytes that are not
UTF-8 (surrogateescape). Whoever hands it on calls the function of its reader, last of all.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

HEADING = re.compile(r"(={2,3}) (.+) \1")
"""A line that begins a section: ``== heading ==`` or ``=== heading ===``."""

WIDTH_LIMIT = 1000
"""Characters of a line that are shown."""

_TOLD = 100
"""Lines that are told of a program that is waited for in vain, at most."""


def heading(line: str) -> str:
    """Return the words of a line that begins a section; nothing for any other line."""
    found = HEADING.fullmatch(line) if line.startswith("==") else None
    return found[2].strip() if found else ""


def natural(name: str) -> tuple[bool, int, str]:
    """Return what puts the names of cases in order: numbers by their values, then words."""
    is_number = name.isdecimal()
    return not is_number, int(name) if is_number else 0, name


class Section(NamedTuple):
    """The lines from *start* up to *stop*: a heading and what follows, up to the next one."""

    title: str
    start: int
    stop: int


def sections(lines: Sequence[str], heading: Callable[[str], str] = heading) -> list[Section]:
    """Take lines apart at their headings, which *heading* returns the words of.

    A heading that comes again has its count in its title: ``Round done (2)``.
    """
    starts = []
    seen: Counter[str] = Counter()
    for index, line in enumerate(lines):
        if title := heading(line):
            seen[title] += 1
            starts.append((index, f"{title} ({seen[title]})" if seen[title] > 1 else title))
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, "before the first heading"))
    stops = [start for start, _ in starts[1:]] + [len(lines)]
    return [Section(title, start, stop) for (start, title), stop in zip(starts, stops, strict=True)]


def count(number: int, noun: str) -> str:
    """Return ``1 case``, ``2 cases``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def format_duration(seconds: float) -> str:
    """Return seconds as a person reads them: ``15 ms``, ``1.02 s``, ``2 min 5 s``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def first_lines(text: str, limit: int) -> str:
    """Return as many lines of *text*, with how many more there are."""
    lines = text.split("\n", limit)
    more = [f"... and {lines.pop().count(chr(10)) + 1} more lines"] if len(lines) > limit else []
    return "\n".join([*lines, *more])


def last_lines(text: str, limit: int) -> str:
    """Return as many of the last lines of *text*, with how many more there are before them."""
    lines = text.rsplit("\n", limit)
    more = [f"... {lines.pop(0).count(chr(10)) + 1} more lines"] if len(lines) > limit else []
    return "\n".join([*more, *map(shorten, lines)])


def it_printed(text: str, nothing: str = "nothing") -> str:
    """Return what a program printed that is waited for in vain, its last lines, for a message.

    There may be any number of them. Where there are none, *nothing* stands in their place.
    """
    last = last_lines(text, _TOLD) or nothing
    return "; it printed:\n" + "\n".join(f"  {line}" for line in last.split("\n"))


def matching_effort(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return how many steps `difflib.SequenceMatcher` takes to match two sequences, at worst."""
    in_a, in_b = Counter(a), Counter(b)
    alike = sum(times * in_b[item] for item, times in in_a.items())
    return (len(a) + alike) * min(len(a), len(b))


def shorten(line: str) -> str:
    """Return a line, or as much of it as is shown, with its length."""
    return line if len(line) <= WIDTH_LIMIT else f"{line[:WIDTH_LIMIT]}... ({len(line)} characters)"


def printable(text: str) -> str:
    r"""Return *text* in one line, with what a terminal acts on, or cannot show, as ``\x1b``.

    To do it again changes nothing.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]


def for_terminal(text: str) -> str:
    """Return *text* with each of its lines `printable`."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


for_xml = for_html = for_terminal
"""What can stand in XML and HTML at all; markup is escaped by who writes it."""


def for_json(value: Any) -> Any:
    """Return plain data with all of its text as `for_terminal`."""
    if isinstance(value, str):
        return for_terminal(value)
    if isinstance(value, dict):
        return {for_json(name): for_json(each) for name, each in value.items()}
    return [*map(for_json, value)] if isinstance(value, list | tuple) else value


def for_tap(text: str) -> str:
    """Return *text* as a description: one line, without what begins a directive."""
    return printable(text).replace("\\", "\\\\").replace("#", "\\#")


def for_github(text: str) -> str:
    """Return *text* as the message of a workflow command of GitHub's."""
    text = for_terminal(text).replace("%", "%25")
    return text.replace("\r", "%0D").replace("\n", "%0A")


def for_github_property(text: str) -> str:
    """Return *text* as a property of such a command."""
    return for_github(text).replace(":", "%3A").replace(",", "%2C")
