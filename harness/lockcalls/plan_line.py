# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of a plan, word by word; errors point to the word."""

import re
from collections.abc import Iterator
from typing import NoReturn

from goldlock.lockcalls.words import quote

LARGEST = 2**63 - 1
"""The last byte that a file can have."""


class PlanError(ValueError):
    """A plan that cannot be read; str() is one line that points to the word."""


_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(#.*)|[^\s"#][^\s"]*|(\S)')
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def words_of(line: str) -> list[str]:
    """Return the words of a line, those in quotes without them; raises PlanError."""
    rest, found = Line(1, line), []
    while rest.current or rest.quoted:
        found.append(rest.advance())
    return found


class Line:
    """The words of one line, read from left to right; `current` is "" after the last one."""

    def __init__(self, line_number: int, line: str) -> None:
        self._line_number = line_number
        self._column = len(line) + 1
        self._end = len(line) + 1
        self._words = self._split(line)
        self.current = ""
        self.quoted = False
        self.advance()

    def _split(self, line: str) -> Iterator[tuple[int, str, bool]]:
        for match in _WORD.finditer(line):
            quoted, comment, stray = match.groups()
            if comment:
                self._end = match.start() + 1
                return
            if stray:
                self._column = match.start() + 1
                self.current = stray
                self.fail("a quote that is not closed")
            if quoted is None:
                yield match.start() + 1, match.group(), False
            else:
                text = re.sub(r"\\(.)", lambda m: _UNESCAPED.get(m[1], m[1]), quoted)
                yield match.start() + 1, text, True

    def advance(self) -> str:
        """Go to the next word and return the one left behind."""
        word = self.current
        self._column, self.current, self.quoted = next(self._words, (self._end, "", False))
        return word

    def take(self, *wanted: str) -> str:
        """Return the current word and go on if it is one of these; else return ""."""
        return self.advance() if self.current in wanted and not self.quoted else ""

    def need(self, what: str, *wanted: str) -> str:
        """Return the current word, which must be one of these; else the error says `what`."""
        return self.take(*wanted) or self.fail(f"expected {what}")

    def number(self, what: str, least: int) -> int:
        """Return the current word as a number that is `least` or more."""
        if not (self.current.isascii() and self.current.isdigit()):
            self.fail(f"expected {what}: a number from {least}")
        number = self.value(self.current, what)
        if number < least:
            self.fail(f"expected {what}: a number from {least}")
        self.advance()
        return number

    def value(self, digits: str, what: str) -> int:
        """Return the number in (a part of) the current word."""
        # int() has a limit of its own, so the length is looked at first.
        if len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
            self.fail(f"expected {what}: a number up to {LARGEST}")
        return int(digits)

    def place(self) -> tuple[int, str]:
        """Return where the current word is, for `fail_at`."""
        word = quote(self.current) if self.current or self.quoted else "end of line"
        return self._column, word

    def fail(self, why: str) -> NoReturn:
        """Raise a PlanError that points to the current word."""
        self.fail_at(self.place(), why)

    def fail_at(self, place: tuple[int, str], why: str) -> NoReturn:
        """Raise a PlanError that points to a word that was the current one before."""
        column, word = place
        raise PlanError(f"{self._line_number}:{column}: {word}: {why}")
