# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault plan: what a case writer says, one line a fault.

    lock 100 fails with ENOLCK
    lock uses write of t.qcow2 fails with EIO from call 2 once
    test unshares consistent read of "my disk.img" by qemu-io fails with EACCES
    unlock any byte fails with EINVAL 3 times
    probe fails with EINVAL

A line is CALL [TARGET] [of IMAGE] [by PROGRAM] fails with ERRNO [from call N] [HOW OFTEN].
"""

import errno as errnos
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from goldlock.lockcalls import protocol

CALLS: Final = ("lock", "unlock", "test", "probe")

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
             the whole file with which QEMU finds out whether OFD locks work)
    errno    the error number that the call returns
    byte     only calls whose range has this byte; None: any.  See protocol.uses, .unshares
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
        if self.byte is not None and (not 0 <= self.byte <= _LARGEST or self.call == "probe"):
            raise ValueError(f"a {self.call} has no byte {self.byte}")
        counts = (self.nth, 1 if self.times is None else self.times)
        if not all(1 <= count <= _LARGEST for count in counts):
            raise ValueError(f"calls are counted from 1 to {_LARGEST}")
        if self.errno == errnos.EINTR and self.times is None:
            raise ValueError(f"EINTR every time: {_ENDLESS_EINTR}")

    def __str__(self) -> str:
        """Return the line of a plan that parse_plan reads back as this fault."""
        parts = [self.call]
        if self.call != "probe":
            parts.append("any byte" if self.byte is None else f"byte {self.byte}")
        if self.image is not None:
            parts.append(f"of {protocol.quote(self.image)}")
        if self.program is not None:
            parts.append(f"by {protocol.quote(self.program)}")
        parts.append(f"fails with {protocol.errno_name(self.errno)}")
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


def parse_plan(text: str) -> tuple[Fault, ...]:
    """Read a plan: a fault a line; "#" begins a comment, blank lines are nothing.

    Raises PlanError with "line:column: word: what is wrong" in one line.
    """
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        words = _Words(number, line)
        if words.current:
            faults.append(_fault(words))
    return tuple(faults)


_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(#.*)|[^\s"#][^\s"]*|(\S)')
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class _Words:
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
        word = protocol.quote(self.current) if self.current else "end of line"
        raise PlanError(f"{self._line_number}:{self._column}: {word}: {why}")


def _fault(words: _Words) -> Fault:
    call = words.need("a call: lock, unlock, test or probe", *CALLS)
    byte = None if call == "probe" else _byte(words)
    image = words.name("the path of an image") if words.take("of") else None
    program = words.name("the name of a program") if words.take("by") else None
    words.need('"fails with" and an errno', "fails")
    words.need('"with" and an errno', "with")
    errno = _errno(words)
    nth = 1
    if words.take("from"):
        words.need('"call" and a number', "call")
        nth = words.number("the first call that fails", 1)
    times = _times(words)
    if errno == errnos.EINTR and times is None:
        words.fail(f"EINTR every time: {_ENDLESS_EINTR}")
    if words.current:
        words.fail("nothing may follow here")
    return Fault(call, errno, byte, image, program, nth, times)


def _byte(words: _Words) -> int | None:
    if words.take("any"):
        words.take("byte")
        return None
    verb = words.take("uses", "unshares")
    if verb:
        permission = _permission(words)
        return protocol.uses(permission) if verb == "uses" else protocol.unshares(permission)
    if not words.take("byte") and not words.current.isdigit():
        words.fail('expected a byte: a number, "any", "uses ..." or "unshares ..." a permission')
    return words.number("a byte", 0)


def _permission(words: _Words) -> str:
    if words.quoted and words.current in protocol.PERMISSIONS:
        return words.advance()
    what = f"a permission: {', '.join(protocol.PERMISSIONS)}"
    first = words.need(what, "consistent", "write", "resize")
    if first == "consistent":
        words.need('"read": the permission is "consistent read"', "read")
        return "consistent read"
    if first == "write" and words.take("unchanged"):
        return "write unchanged"
    return first


def _errno(words: _Words) -> int:
    known = {name: code for code, name in errnos.errorcode.items()}
    known |= {name: code for name, code in vars(errnos).items() if name.startswith("E")}
    if words.current not in known:
        import difflib  # only an error pays for it

        near = difflib.get_close_matches(words.current.upper(), known, 1)
        words.fail("not the name of an errno" + (f": is it {near[0]}?" if near else ""))
    return known[words.advance()]


def _times(words: _Words) -> int | None:
    if words.take("once"):
        return 1
    if words.take("always"):
        return ALWAYS
    if not words.current or words.quoted:
        return None
    if not words.current.isdigit():
        words.fail('expected "from call N", "once", "N times" or "always"')
    times = words.number("how often", 1)
    words.need('"times"', "times", "time")
    return times
