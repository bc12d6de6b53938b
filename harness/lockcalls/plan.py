# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault plan: what a case writer says, one line a fault.

    lock 100 fails with ENOLCK
    lock byte 7 of t.db fails with EIO from call 2 once
    test any byte of "my disk.img" by qemu-io fails with EACCES
    unlock any byte fails with EINVAL 3 times
    probe fails with EINVAL
    flock t.lock by git fails with ENOLCK

A line is CALL [TARGET] [of IMAGE] [by PROGRAM] fails with ERRNO [from call N] [HOW OFTEN].  A
byte has a name where a kit gives it one: see goldlock.lockcalls.words.
"""

import errno as errnos
import os
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from goldlock.linux import errno_name
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words, quote

CALLS: Final = ("lock", "unlock", "test", "probe", "flock", "flock unlock")
_WITH_BYTES = ("lock", "unlock", "test")

ALWAYS: Final = sys.maxsize
"""How often: without an end, said on purpose (EINTR needs it said)."""

_LARGEST = 2**63 - 1  # the last byte that a file can have

_ENDLESS_EINTR = (
    "a program that retries would loop for ever: bound it (once, 2 times), "
    "or say always if that is meant"
)


class PlanError(ValueError):
    """A plan that cannot be read; str() is one line that points to the word."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of lock call that shall fail, and how.

    call     "lock", "unlock", "test" (does somebody hold it?) or "probe" (the question about
             all of /dev/null by which a program finds out whether OFD locks work), each of
             fcntl(2); "flock" or "flock unlock" of flock(2)
    errno    the error number that the call returns
    byte     only calls whose range has this byte; None: any
    image    only calls on the file that this path leads to when the call is made; None: any
    program  only calls of the program of this name (as a trace shows it); None: any
    nth      the first matching call that fails, counted from 1 since the fault was added
    times    how many calls fail; None: all.  EINTR needs a number, or ALWAYS
    A field out of range is a ValueError.
    """

    call: str
    errno: int
    byte: int | None = None
    image: str | None = None
    program: str | None = None
    nth: int = 1
    times: int | None = None

    def __post_init__(self) -> None:
        if self.call not in CALLS:
            raise ValueError(f'no call "{self.call}": there are {", ".join(CALLS)}')
        if self.errno not in errnos.errorcode:
            raise ValueError(f"no errno {self.errno} on this platform")
        if self.byte is not None and (
            not 0 <= self.byte <= _LARGEST or self.call not in _WITH_BYTES
        ):
            raise ValueError(f"a {self.call} has no byte {self.byte}")
        counts = (self.nth, 1 if self.times is None else self.times)
        if not all(1 <= count <= _LARGEST for count in counts):
            raise ValueError(f"calls are counted from 1 to {_LARGEST}")
        if self.errno == errnos.EINTR and self.times is None:
            raise ValueError(f"EINTR every time: {_ENDLESS_EINTR}")

    def __str__(self) -> str:
        """Return the line of a plan that parse_plan reads back as this fault."""
        parts = [self.call]
        if self.call in _WITH_BYTES:
            parts.append("any byte" if self.byte is None else f"byte {self.byte}")
        if self.image is not None:
            parts.append(f"of {quote(self.image)}")
        if self.program is not None:
            parts.append(f"by {quote(self.program)}")
        parts.append(f"fails with {errno_name(self.errno)}")
        if self.nth != 1:
            parts.append(f"from call {self.nth}")
        if self.times is not None:
            parts.append("always" if self.times == ALWAYS else f"{self.times} times")
        return " ".join(parts)


def absolute(fault: Fault) -> Fault:
    """Return the fault with its image's path made absolute, so that any process may resolve it."""
    if fault.image is None:
        return fault
    image = os.path.abspath(fault.image)  # noqa: PTH100 - a supervisor loads this too, and pathlib takes 5 ms
    return Fault(fault.call, fault.errno, fault.byte, image, fault.program, fault.nth, fault.times)


def parse_plan(text: str, words: ByteWords | None = None) -> tuple[Fault, ...]:
    """Read a plan: a fault a line; "#" begins a comment, blank lines are nothing.

    *words* are the names that bytes have, by default those of the kit that the environment names.
    Raises PlanError with "line:column: word: what is wrong" in one line.
    """
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        rest = _Line(number, line)
        if rest.current:
            faults.append(_fault(rest, byte_words() if words is None else words))
    return tuple(faults)


_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(#.*)|[^\s"#][^\s"]*|(\S)')
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class _Line:
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

    def name(self, what: str) -> str:
        """Return the current word, whatever it is, as long as there is one."""
        return self.advance() if self.current else self.fail(f"expected {what}")

    def number(self, what: str, least: int) -> int:
        """Return the current word as a number that is `least` or more."""
        digits = self.current.isascii() and self.current.isdigit()
        # int() has a limit of its own, so the length is looked at first.
        if digits and (len(self.current) > len(str(_LARGEST)) or int(self.current) > _LARGEST):
            self.fail(f"expected {what}: a number up to {_LARGEST}")
        if not digits or int(self.current) < least:
            self.fail(f"expected {what}: a number from {least}")
        return int(self.advance())

    def fail(self, why: str) -> NoReturn:
        """Raise a PlanError that points to the current word."""
        word = quote(self.current) if self.current else "end of line"
        raise PlanError(f"{self._line_number}:{self._column}: {word}: {why}")


def _fault(line: _Line, words: ByteWords) -> Fault:
    call = line.need("a call: lock, unlock, test, probe or flock", *CALLS)
    byte = _byte(line, words) if call in _WITH_BYTES else None
    if call == "flock":
        call += " unlock" if line.take("unlock") else ""
        bare = line.quoted or line.current not in ("", "of", "by", "fails")
    else:
        bare = False
    image = line.name("the path of an image") if bare or line.take("of") else None
    program = line.name("the name of a program") if line.take("by") else None
    line.need('"fails with" and an errno', "fails")
    line.need('"with" and an errno', "with")
    errno = _errno(line)
    nth = 1
    if line.take("from"):
        line.need('"call" and a number', "call")
        nth = line.number("the first call that fails", 1)
    times = _times(line)
    if errno == errnos.EINTR and times is None:
        line.fail(f"EINTR every time: {_ENDLESS_EINTR}")
    if line.current:
        line.fail("nothing may follow here")
    return Fault(call, errno, byte, image, program, nth, times)


def _byte(line: _Line, words: ByteWords) -> int | None:
    if line.take("any"):
        line.take("byte")
        return None
    named = {name: byte for byte, name in words.names.items()}
    if any(name.split()[0] == line.current for name in named):
        return named[_name(line, named)]
    if not line.take("byte") and not line.current.isdigit():
        first = dict.fromkeys(name.split()[0] for name in named)
        names = ", ".join(f'"{each} ..."' for each in first)
        known = names or f"there are no names for bytes without a kit, in {KIT_VARIABLE}"
        line.fail(f'expected a byte: a number, "any", {known}')
    return line.number("a byte", 0)


def _name(line: _Line, names: Collection[str]) -> str:
    """Return the name that the next words are, the longest; some or all may be in quotes."""
    found = ""
    while True:
        longer = f"{found} {line.current}".lstrip()
        if not line.current or not any(f"{name} ".startswith(f"{longer} ") for name in names):
            break
        found = longer
        line.advance()
    if found not in names:
        rest = [name.removeprefix(found).strip() for name in names if name.startswith(f"{found} ")]
        line.fail(f"expected {', '.join(rest)}")
    return found


def _errno(line: _Line) -> int:
    known = {name: code for code, name in errnos.errorcode.items()}
    known |= {name: code for name, code in vars(errnos).items() if name.startswith("E")}
    if line.current not in known:
        import difflib  # only an error pays for it

        near = difflib.get_close_matches(line.current.upper(), known, 1)
        line.fail("not the name of an errno" + (f": is it {near[0]}?" if near else ""))
    return known[line.advance()]


def _times(line: _Line) -> int | None:
    if line.take("once"):
        return 1
    if line.take("always"):
        return ALWAYS
    if not line.current or line.quoted:
        return None
    if not line.current.isdigit():
        line.fail('expected "from call N", "once", "N times" or "always"')
    times = line.number("how often", 1)
    line.need('"times"', "times", "time")
    return times
