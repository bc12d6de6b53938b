# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault plan: what a case writer says, one line a fault.

    lock 100 fails with ENOLCK
    lock byte 7 of t.db fails with EIO from call 2 once
    test any byte of "my disk.img" by qemu-io fails with EACCES
    unlock any byte fails with EINVAL 3 times
    probe fails with EINVAL
    flock t.lock by git fails with ENOLCK

A line is CALL [TARGET] [of IMAGE] [by PROGRAM] fails with ERRNO [from call N] [HOW OFTEN] [may
miss].  TARGET is a byte or a range, as a trace prints them, with "exactly" before it or not.  A
byte has a name where a kit gives it one: see goldlock.lockcalls.words.
"""

import errno as errnos
import os
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from goldlock.linux import errno_name
from goldlock.lockcalls.plan_line import LARGEST, Line
from goldlock.lockcalls.words import ByteWords, byte_words, kits_with_words, quote, range_text

CALLS: Final = ("lock", "unlock", "test", "probe", "flock", "flock unlock")
_WITH_BYTES = ("lock", "unlock", "test")

ALWAYS: Final = sys.maxsize
"""How often: without an end, said on purpose (EINTR needs it said)."""


_ENDLESS_EINTR = (
    "a program that retries would loop for ever: bound it (once, 2 times), "
    "or say always if that is meant"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of lock call that shall fail, and how.

    call     "lock", "unlock", "test" (does somebody hold it?) or "probe" (the question about
             all of /dev/null by which a program finds out whether OFD locks work), each of
             fcntl(2); "flock" or "flock unlock" of flock(2)
    errno    the error number that the call returns
    byte     only calls whose range has this byte, or all from the first to the last one, None
             for the end of the file: (120, 127), (0, None); None: any
    image    only calls on the file that this path leads to when the call is made; None: any
    program  only calls of the program of this name (as a trace shows it); None: any
    nth      the first matching call that fails, counted from 1 since the fault was added
    times    how many calls fail; None: all.  EINTR needs a number, or ALWAYS
    exactly  whether the range of a call must have nothing else
    may_miss whether it is in order if no call fails
    A field out of range is a ValueError.
    """

    call: str
    errno: int
    byte: int | tuple[int, int | None] | None = None
    image: str | None = None
    program: str | None = None
    nth: int = 1
    times: int | None = None
    exactly: bool = False
    may_miss: bool = False

    def __post_init__(self) -> None:
        if self.call not in CALLS:
            raise ValueError(f'no call "{self.call}": there are {", ".join(CALLS)}')
        if self.errno not in errnos.errorcode:
            raise ValueError(f"no errno {self.errno} on this platform")
        if self.call == "probe" and self.image is not None:
            raise ValueError("a probe is of /dev/null, never of an image")
        if self.span:
            first, last = self.span
            fits = 0 <= first <= (first if last is None else last) <= LARGEST
            if not fits or self.call not in _WITH_BYTES:
                raise ValueError(f"a {self.call} has no byte {self.byte}")
        elif self.exactly:
            raise ValueError("any byte, and exactly: which?")
        counts = (self.nth, 1 if self.times is None else self.times)
        if not all(1 <= count <= LARGEST for count in counts):
            raise ValueError(f"calls are counted from 1 to {LARGEST}")
        if self.errno == errnos.EINTR and self.times is None:
            raise ValueError(f"EINTR every time: {_ENDLESS_EINTR}")

    @property
    def span(self) -> tuple[int, int | None] | None:
        """The first and the last byte, None for the end of the file; None: any."""
        return (self.byte, self.byte) if isinstance(self.byte, int) else self.byte

    def __str__(self) -> str:
        """Return the line of a plan that parse_plan reads back as this fault."""
        parts = [self.call]
        if self.call in _WITH_BYTES:
            parts += ["exactly"] if self.exactly else []
            parts.append(range_text(*self.span) if self.span else "any byte")
        if self.image is not None:
            parts.append(f"of {quote(self.image)}")
        if self.program is not None:
            parts.append(f"by {quote(self.program)}")
        parts.append(f"fails with {errno_name(self.errno)}")
        if self.nth != 1:
            parts.append(f"from call {self.nth}")
        if self.times is not None:
            parts.append("always" if self.times == ALWAYS else f"{self.times} times")
        parts += ["may miss"] if self.may_miss else []
        return " ".join(parts)


def absolute(fault: Fault) -> Fault:
    """Return the fault with its image's path made absolute, so that any process may resolve it."""
    if fault.image is None:
        return fault
    image = os.path.abspath(fault.image)  # noqa: PTH100 - a supervisor loads this too, and pathlib takes 5 ms
    return replace(fault, image=image)


def parse_plan(text: str, words: ByteWords | None = None) -> tuple[Fault, ...]:
    """Read a plan: a fault a line; "#" begins a comment, blank lines are nothing.

    *words* are the names that bytes have, by default those of the kit that the environment names.
    Raises PlanError with "line:column: word: what is wrong" in one line.
    """
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        rest = Line(number, line)
        if rest.current:
            faults.append(_fault(rest, byte_words() if words is None else words))
    return tuple(faults)


def _fault(line: Line, words: ByteWords) -> Fault:
    call = line.need("a call: lock, unlock, test, probe or flock", *CALLS)
    exactly = call in _WITH_BYTES and line.take("exactly", "covering") == "exactly"
    byte = _bytes(line, words, exactly=exactly) if call in _WITH_BYTES else None
    if call == "flock":
        call += " unlock" if line.take("unlock") else ""
        bare = line.quoted or line.current not in ("", "of", "by", "fails")
    else:
        bare = False
    if call == "probe" and line.current == "of":
        line.fail("a probe is of /dev/null, never of an image; test all asks about one")
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
    may_miss = bool(line.take("may"))
    if may_miss:
        line.need('"miss"', "miss")
    if errno == errnos.EINTR and times is None:
        line.fail(f"EINTR every time: {_ENDLESS_EINTR}")
    if line.current:
        line.fail("nothing may follow here")
    return Fault(call, errno, byte, image, program, nth, times, exactly, may_miss)


_RANGE = re.compile(r"([0-9]+)-([0-9]*)")


def _bytes(line: Line, words: ByteWords, *, exactly: bool) -> int | tuple[int, int | None] | None:
    if not exactly and line.take("any"):
        line.take("byte")
        return None
    if line.take("all"):
        return 0, None
    if found := _RANGE.fullmatch(line.current):
        first, last = (line.value(text, "a byte") if text else None for text in found.groups())
        if last is not None and last < (first or 0):
            line.fail("the last byte comes before the first")
        line.advance()
        return first or 0, last
    return _byte(line, words)


def _byte(line: Line, words: ByteWords) -> int:
    named = {name: byte for byte, name in words.names.items()}
    if any(name.split()[0] == line.current for name in named):
        return named[_name(line, named)]
    if not line.take("byte") and not line.current.isdigit():
        first = dict.fromkeys(name.split()[0] for name in named)
        names = ", ".join(f'"{each} ..."' for each in first)
        kits = " or ".join(f"--kit {kit}" for kit in kits_with_words())
        known = f", {names}" if names else f"; names for bytes come with a kit: add {kits}"
        line.fail(f'expected a byte: a number, a range, "all", "any"{known}')
    return line.number("a byte", 0)


def _name(line: Line, names: Collection[str]) -> str:
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


def _errno(line: Line) -> int:
    known = {name: code for code, name in errnos.errorcode.items()}
    known |= {name: code for name, code in vars(errnos).items() if name.startswith("E")}
    if line.current not in known:
        import difflib  # only an error pays for it

        near = difflib.get_close_matches(line.current.upper(), known, 1)
        line.fail("not the name of an errno" + (f": is it {near[0]}?" if near else ""))
    return known[line.advance()]


def _times(line: Line) -> int | None:
    if line.take("once"):
        return 1
    if line.take("always"):
        return ALWAYS
    if line.current in ("", "may") or line.quoted:
        return None
    if not line.current.isdigit():
        line.fail('expected "from call N", "once", "N times", "always" or "may miss"')
    times = line.number("how often", 1)
    line.need('"times"', "times", "time")
    return times
