# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault plan: what a case writer says, one line a fault.

    lock 100 fails with ENOLCK
    lock byte 7 of t.db fails with EIO from call 2 once
    test any byte of "my disk.img" by qemu-io fails with EACCES
    unlock any byte fails with EINVAL 3 times
    probe fails with EINVAL
    flock t.lock by git fails with ENOLCK
    create .git/index.lock fails with EEXIST once
    rename .git/index.lock to .git/index fails with EIO
    lock RESERVED of t.db by sqlite3 is delayed for 200 ms
    lock RECOVER of t.db-shm is paused

A line is CALL [TARGET] [of FILE] [to FILE] [by PROGRAM] fails with ERRNO [from call N] [HOW OFTEN]
[may miss], or has "is delayed for N ms" or "is paused" where the errno is.  TARGET is a byte or a
range, as a trace prints them, with "exactly", "some of" or "covering" before it or not.  A byte has
a name where a suite or its kit gives it one: see goldlock.lockcalls.words.
"""

import errno as errnos
import sys
from dataclasses import dataclass, replace
from typing import Final

from goldlock.linux import errno_name
from goldlock.lockcalls import PAUSED, plan_calls
from goldlock.lockcalls.plan_calls import Calls, parse_calls
from goldlock.lockcalls.plan_line import LARGEST, Line
from goldlock.lockcalls.words import ByteWords, byte_words

ALWAYS: Final = sys.maxsize
"""How often: without an end, said on purpose (EINTR needs it said)."""


_LONGEST_DELAY = 3_600_000

_ENDLESS_EINTR = (
    "a program that retries would loop for ever: bound it (once, 2 times), "
    "or say always if that is meant"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of lock call that shall fail, and how.

    call     of fcntl(2): "lock", "unlock", "test" (does somebody hold it?) or "probe" (the question
             about all of /dev/null by which a program finds out whether OFD locks work), "lease" or
             "lease unlock"; of flock(2): "flock" or "flock unlock"; by a file's name: "create" (an
             open that fails where there is one), "link", "rename", "mkdir", "symlink", "unlink" or
             "rmdir"
    errno    the error number that the call returns
    byte     only calls whose range has this byte, or all from the first to the last one, None
             for the end of the file: (120, 127), (0, None); None: any
    image    only calls on the file that this path leads to when the call is made, or by this name;
             of link and rename, by this old name; None: any
    program  only calls of the program of this name (as a trace shows it); None: any
    nth      the first matching call that fails, counted from 1 since the fault was added
    times    how many calls fail; None: all.  EINTR needs a number, or ALWAYS
    exactly  whether the range of a call must have nothing else
    part     whether some of the bytes are enough
    may_miss whether it is in order if no call fails
    to       of link and rename, only calls that make this new name; None: any
    delay    milliseconds that the call stands still before it is carried out, PAUSED: until the
             fault is taken away; then errno is 0
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
    to: str | None = None
    delay: int = 0
    part: bool = False

    def __post_init__(self) -> None:
        _ = self.calls  # which looks at its fields
        if self.delay:
            if self.errno or not (1 <= self.delay <= _LONGEST_DELAY or self.delay == PAUSED):
                raise ValueError(f"a delay is of 1 to {_LONGEST_DELAY} ms, and has no errno")
        elif self.errno not in errnos.errorcode:
            raise ValueError(f"no errno {self.errno} on this platform")
        counts = (self.nth, 1 if self.times is None else self.times)
        if not all(1 <= count <= LARGEST for count in counts):
            raise ValueError(f"calls are counted from 1 to {LARGEST}")
        if self.errno == errnos.EINTR and self.times is None:
            raise ValueError(f"EINTR every time: {_ENDLESS_EINTR}")

    @property
    def calls(self) -> Calls:
        """Return which calls it is about."""
        return Calls(
            self.call, self.byte, self.image, self.program, self.exactly, self.to, self.part
        )

    def __str__(self) -> str:
        """Return the line of a plan that parse_plan reads back as this fault."""
        what = f"fails with {errno_name(self.errno)}" if self.errno else "is paused"
        what = f"is delayed for {self.delay} ms" if self.delay > 0 else what
        parts = [f"{self.calls} {what}"]
        if self.nth != 1:
            parts.append(f"from call {self.nth}")
        if self.times is not None:
            words = {1: "once", ALWAYS: "always"}
            parts.append(words.get(self.times, f"{self.times} times"))
        parts += ["may miss"] if self.may_miss else []
        return " ".join(parts)


def absolute(fault: Fault, folder: str = "") -> Fault:
    """Return the fault with its paths made absolute, so that any process may resolve them.

    They are relative to *folder*, by default the current one.
    """
    calls = plan_calls.absolute(fault.calls, folder)
    return replace(fault, image=calls.image, to=calls.to)


def parse_plan(text: str, words: ByteWords | None = None) -> tuple[Fault, ...]:
    """Read a plan: a fault a line; "#" begins a comment, blank lines are nothing.

    *words* are the names that bytes have, by default those of the kit that the environment names.
    Raises PlanError with "line:column: word: what is wrong" in one line.
    """
    faults = []
    for number, line in enumerate(text.split("\n"), 1):
        rest = Line(number, line)
        if rest.current:
            faults.append(_fault(rest, byte_words() if words is None else words))
    return tuple(faults)


def _fault(line: Line, words: ByteWords) -> Fault:
    calls = parse_calls(line, words)
    errno, delay = _what(line)
    nth = 1
    if line.take("from"):
        line.need('"call" and a number', "call")
        nth = line.number("the first call that it is about", 1)
    times = _times(line)
    may_miss = bool(line.take("may"))
    if may_miss:
        line.need('"miss"', "miss")
    if errno == errnos.EINTR and times is None:
        line.fail(f"EINTR every time: {_ENDLESS_EINTR}")
    if line.current:
        line.fail("nothing may follow here")
    return Fault(
        calls.call,
        errno,
        calls.byte,
        calls.image,
        calls.program,
        nth,
        times,
        calls.exactly,
        may_miss,
        calls.to,
        delay,
        calls.part,
    )


def _what(line: Line) -> tuple[int, int]:
    """Return the errno, and the milliseconds of a delay, or PAUSED; one of them is 0."""
    if line.take("is"):
        if line.need('"paused", or "delayed for" and a time', "paused", "delayed") == "paused":
            return 0, PAUSED
        line.need('"for" and a time', "for")
        number = line.number("how long, such as 200 ms", 1)
        delay = number * {"ms": 1, "s": 1000}[line.need('"ms" or "s"', "ms", "s")]
        if delay > _LONGEST_DELAY:
            line.fail(f"no more than {_LONGEST_DELAY // 1000} s")
        return 0, delay
    line.need('"fails with" and an errno, or "is delayed for" and a time', "fails")
    line.need('"with" and an errno', "with")
    return _errno(line), 0


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
