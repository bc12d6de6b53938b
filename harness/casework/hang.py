"""What a case waits for, for its report when it is ended meanwhile: at its time limit, mostly.

The handler of SIGTERM is there while the case waits, no longer: Python would not call it in the
midst of a long call into C, and the case would have to be killed.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from harness.case import Case

_cases: list["Case"] = []
_waiting: list[str] = []


def watch(case: "Case") -> None:
    """From now on, tell of the waits of this process, which runs *case*."""
    _cases[:] = [case]


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Tell that the case was waiting for *what*, should it be ended in the block."""
    if not _cases:
        yield
        return
    _waiting.append(what)
    try:
        with _handled():
            yield
    finally:
        _waiting.remove(what)


def where(frame: FrameType | None) -> str:
    """Return ``it was at:``, and the script's innermost line with what it waits for; or nothing."""
    script = _cases[0].script if _cases else ""
    while frame and frame.f_code.co_filename != script:
        frame = frame.f_back
    if not frame or not _waiting:
        return ""
    return f"it was at:\n  {script}:{frame.f_lineno}: waiting for {_waiting[-1]}"


@contextmanager
def _handled() -> Iterator[None]:
    """Have a handler, if nobody else has, and this thread may."""
    mine = False
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        try:
            signal.signal(signal.SIGTERM, partial(_terminated, os.getpid()))
            mine = True
        except ValueError:  # signals are the main thread's
            pass
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(pid: int, _signal: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        if os.getpid() == pid and (seen := where(frame)):
            _cases[0].record.situation(seen)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)
