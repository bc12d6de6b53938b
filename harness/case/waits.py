# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case says that it waits for, and the wait, which a stack dump tells of."""

import os
import re
import subprocess
from collections.abc import Callable
from typing import Any, TypedDict, cast

from goldlock.case import stack_dump
from goldlock.errors import CaseError
from goldlock.inspect import lock_states, states, waiting
from goldlock.kernel_locks import Span
from goldlock.lockcalls import TRACE_VARIABLE


class Fields(TypedDict, total=False):
    """What `goldlock.case.case.Case.wait_for` takes: one state, and what goes with it."""

    locked: str
    unlocked: str
    blocked: Any
    refused: Any
    exists: str
    missing: str
    line: "str | re.Pattern[str]"
    gone: Any
    until: Callable[[], object]
    byte: "int | tuple[int, int | None] | str"
    by: Any
    exclusive: bool
    of: Any


_STATES = ("locked", "unlocked", "blocked", "refused", "exists", "missing", "line", "gone", "until")
_WITH = {"locked": ("byte", "by", "exclusive"), "unlocked": ("byte", "by"), "line": ("of",)}
"""What goes with a state."""


def wait_for(fields: Fields, limit: float = 0) -> str:
    """Wait as `Case.wait_for` does; return the line that was waited for, or nothing."""
    if "line" in fields and hasattr(fields.get("of"), "line"):
        return cast("str", fields["of"].line(fields["line"]))
    state = state_of(fields)
    reach(state, limit)
    gone = fields.get("gone")
    gone = getattr(gone, "process", gone)
    if isinstance(gone, subprocess.Popen):
        gone.poll()  # it is this process that has to take note of a child's end
    return state.found if isinstance(state, states.Line) else ""


def reach(state: states.State, limit: float = 0) -> None:
    """Wait until a state is reached; raise CaseError with what is there instead."""
    with stack_dump.waiting_for(str(state)):
        if complaint := waiting.wait(state, limit or waiting.default_limit()):
            raise CaseError(complaint)


def state_of(fields: Fields) -> states.State:
    """Return the state that fields say; raise CaseError where they say none, or several."""
    given: dict[str, Any] = dict(fields)
    chosen = [name for name in _STATES if name in given]
    if len(chosen) != 1:
        others = "".join(
            f"; {name}= is none" for name in given if name not in Fields.__annotations__
        )
        raise CaseError(f"one of {', '.join(_STATES)} says what to wait for{others}")
    (kind,) = chosen
    value = given.pop(kind)
    for name in given:
        if name not in _WITH.get(kind, ()):
            raise CaseError(f"{name}= does not go with {kind}=")
    by = pid_of(given["by"]) if "by" in given else 0
    span = _span(given["byte"], value, by) if "byte" in given else None
    exclusive, part = given.get("exclusive", False), isinstance(given.get("byte"), str)
    if kind == "line" and not isinstance(given.get("of"), str | os.PathLike):
        raise CaseError("line= wants of=: a file, or a session that was started by case.start")
    made: dict[str, Callable[[], states.State]] = {
        "locked": lambda: lock_states.Locked(value, span, by, exclusive=exclusive, part=part),
        "unlocked": lambda: lock_states.Unlocked(value, span, by),
        "blocked": lambda: lock_states.Blocked(pid_of(value)),
        "refused": lambda: _refused(value),
        "exists": lambda: states.Exists(value),
        "missing": lambda: states.Missing(value),
        "line": lambda: states.Line(value, given["of"]),
        "gone": lambda: states.Gone(pid_of(value)),
        "until": lambda: states.Until(value),
    }
    return made[kind]()


def _span(byte: Any, path: str, by: int) -> Span:
    if isinstance(byte, int):
        byte = byte, byte
    if isinstance(byte, str):
        try:
            return lock_states.span_of(byte, path, by)
        except ValueError as error:
            raise CaseError(str(error)) from None
    match byte:
        case (int() as first, int() as last) if 0 <= first <= last:
            return first, last
        case (int() as first, None) if first >= 0:  # up to the end of the file
            return first, None
    raise CaseError(f"byte= is a number, a name, or the first and the last byte: {byte!r}")


def _refused(process: Any) -> states.State:
    trace = os.environ.get(TRACE_VARIABLE)
    if not trace:
        raise CaseError("refused= is what a supervisor sees: '# needs: faults' in the header")
    return states.Refused(pid_of(process), trace, getattr(process, "told_at", 0))


def size_of_trace() -> int:
    """Return how many bytes the trace of lock calls has so far; 0 where there is none."""
    try:
        return os.stat(os.environ.get(TRACE_VARIABLE, "")).st_size  # noqa: PTH116 - for each line that is sent
    except OSError:
        return 0


def pid_of(process: Any) -> int:
    """Return the pid of a session, a daemon, a `subprocess.Popen`, or a number that is one."""
    pid = getattr(process, "pid", process)
    if not isinstance(pid, int) or pid <= 0:
        raise CaseError(f"a session, a daemon or a pid is a process, not {process!r}")
    return pid
