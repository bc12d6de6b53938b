# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: goldlock wait STATE [--timeout SECONDS]."""

# It starts often, and argparse takes 6 ms to load.

import os
import sys

from goldlock.inspect import lock_states, states, waiting
from goldlock.lockcalls import TRACE_VARIABLE

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from goldlock.inspect.states import State
    from goldlock.kernel_locks import Span

    N = TypeVar("N", int, float)

USAGE = """\
Wait until something is so; never for a time.

  goldlock wait --locked FILE [--byte N] [--by PID] [--exclusive]
                                   a lock is held on FILE: on byte N, bytes FIRST-LAST, or some
                                   that the suite gives a name; by process PID or one below it
  goldlock wait --unlocked FILE [--byte N] [--by PID]
                                   none is
  goldlock wait --blocked PID      process PID, or one below it, waits for a lock
  goldlock wait --refused PID      a lock call of process PID was refused (needs: faults)
  goldlock wait --exists FILE      FILE is there; a socket, once it is listened on
  goldlock wait --missing FILE     FILE is not there
  goldlock wait --line TEXT --of FILE
                                   FILE has a line with TEXT in it
  goldlock wait --gone PID         process PID is no more: kill -0 finds none

--timeout SECONDS is how long at most, 30 by default. Exit status: 0 it is so; 1 it is not, and
standard error says what is there instead; 2 usage.
"""

_LARGEST_PID = 2**22
"""The most that the kernel can be told to count to (proc(5), pid_max)."""
_STATES = ("locked", "unlocked", "blocked", "refused", "exists", "missing", "line", "gone")
_MORE = {"locked": ("byte", "by", "exclusive"), "unlocked": ("byte", "by"), "line": ("of",)}


class _UsageError(Exception):
    """The command line is wrong; str() says how, in a line."""


def main(arguments: list[str]) -> int:
    """Wait for what *arguments* say; return the exit status."""
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    try:
        state, limit = _parse(arguments)
        complaint = waiting.wait(state, limit)
    except _UsageError as error:
        return _complain(f"{error}; goldlock wait --help tells more", 2)
    except OSError as error:
        place = states.place_of(error, error.filename or "the kernel's tables")
        return _complain(f"{place}: {error.strerror}", 2)
    except KeyboardInterrupt:
        return 130
    return _complain(complaint, 1) if complaint else 0


def _complain(text: str, status: int) -> int:
    text = "\n".join(map(states.one_line, text.split("\n")))
    print(f"goldlock wait: {text}", file=sys.stderr)  # noqa: T201 - to who started it
    return status


def _parse(arguments: list[str]) -> "tuple[State, float]":
    given = _options(arguments)
    limit = _number(float, "timeout", given.pop("timeout", str(waiting.default_limit())))
    wanted = [name for name in _STATES if name in given]
    if len(wanted) != 1:
        raise _UsageError(f"one of --{', --'.join(_STATES)} says what to wait for")
    (kind,) = wanted
    value = given.pop(kind)
    for name in given:
        if name not in _MORE.get(kind, ()):
            raise _UsageError(f"--{name} does not go with --{kind}")
    return _state(kind, value, given), limit


def _options(arguments: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        known = (*_STATES, *_MORE["locked"], "of", "timeout")
        if not word.startswith("--") or name not in known:
            raise _UsageError(f"unknown word {word!r}")
        if name in given:
            raise _UsageError(f"--{name} is given twice")
        if name == "exclusive":
            value = "yes"
        elif not equals:
            value = next(words, "")
        if not value:
            raise _UsageError(f"--{name} has no value")
        given[name] = value
    return given


def _state(kind: str, value: str, more: dict[str, str]) -> "State":
    if kind in ("blocked", "gone", "refused"):
        pid = _pid(kind, value)
        if kind == "refused":
            return _refused(pid)
        return lock_states.Blocked(pid) if kind == "blocked" else states.Gone(pid)
    if kind in ("exists", "missing"):
        return states.Exists(value) if kind == "exists" else states.Missing(value)
    if kind == "line":
        if "of" not in more:
            raise _UsageError("--line wants --of FILE")
        return states.Line(value, more["of"])
    by = _pid("by", more["by"]) if "by" in more else 0
    span = _span(more["byte"], value, by) if "byte" in more else None
    part = "byte" in more and not more["byte"][0].isdigit()  # a name
    if kind == "unlocked":
        return lock_states.Unlocked(value, span, by)
    return lock_states.Locked(value, span, by, exclusive="exclusive" in more, part=part)


def _refused(pid: int) -> "State":
    trace = os.environ.get(TRACE_VARIABLE)
    if not trace:
        raise _UsageError("--refused is for a case with '# needs: faults' in its header")
    return states.Refused(pid, trace)


def _span(text: str, path: str, by: int) -> "Span":
    if not text[0].isdigit():
        try:
            return lock_states.span_of(text, path, by)
        except ValueError as error:
            raise _UsageError(f"--byte: {error}") from None
    first, dash, last = text.partition("-")
    start = _number(_integer, "byte", first)
    if not dash:
        return start, start
    end = _number(_integer, "byte", last) if last else None
    if end is not None and end < start:
        raise _UsageError(f"--byte: {text}: the last byte is before the first")
    return start, end


def _pid(name: str, text: str) -> int:
    pid = _number(int, name, text)
    if not 0 < pid <= _LARGEST_PID:
        raise _UsageError(
            f"--{name}: {text} is no process: they have numbers from 1 to {_LARGEST_PID}"
        )
    return pid


def _integer(text: str) -> int:
    return int(text, 0)


def _number(kind: "Callable[[str], N]", name: str, text: str) -> "N":
    try:
        number = kind(text)
    except ValueError:
        raise _UsageError(f"--{name} takes a number, not {text!r}") from None
    if not number >= 0:
        raise _UsageError(f"--{name} takes a number from 0 on, not {text!r}")
    return number


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # nothing to finalize: saves 3 ms
