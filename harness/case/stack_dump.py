# SPDX-License-Identifier: GPL-2.0-or-later
"""A dump of where a case is and what it waits for when it is ended: at a time limit, mostly.

SIGTERM makes `faulthandler` write the stack, which it does in the midst of a call into C, too,
where Python would call no handler. `goldlock.inspect.stack_dump` tells what is in the file.
"""

import faulthandler
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from goldlock.inspect.stack_dump import HEADER_SIZE

Handler = Callable[..., Any] | int | None
"""What SIGTERM calls, as `signal.signal` takes and returns it."""

_file = 0
"""The descriptor of this process's dump; 0 where it is no case's, and no task's."""
_second_line = 0


def install(script: str, path: str) -> None:
    """From now on, dump the stack of this process, which runs *script*, should SIGTERM end it.

    It goes to the file *path*; to none if that is empty.
    """
    global _file, _second_line
    if not path:
        return
    first_line = f"{script}\n".encode("utf-8", "surrogateescape")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.write(file, first_line + b"\n")
    except OSError:  # a full disk: the case may go on without a dump
        return
    _file, _second_line = file, len(first_line)
    os.lseek(_file, HEADER_SIZE, os.SEEK_SET)
    _arm()
    _at_forks()


def set_handler(handler: Handler) -> Handler:
    """Have SIGTERM call *handler* once the stack is written; return what it called before."""
    faulthandler.unregister(signal.SIGTERM)  # it would put back what it found
    before = signal.signal(signal.SIGTERM, handler)
    _arm()
    return before


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Have a dump tell that the case was waiting for *what*, should it be ended in the block."""
    _say(what)
    try:
        yield
    finally:
        _say("")


def _say(what: str) -> None:
    if _file:
        line = f"{what}\n".encode("utf-8", "surrogateescape")[: HEADER_SIZE - _second_line]
        with suppress(OSError):  # as above
            os.pwrite(_file, line, _second_line)


def _arm() -> None:
    # What is ignored has to stay so: programs that the case starts inherit that.
    if _file and signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        with suppress(OSError):  # a sandbox refuses sigaltstack(2): there is no dump then
            faulthandler.register(signal.SIGTERM, file=_file, all_threads=False, chain=True)


@cache
def _at_forks() -> None:
    """Have no fork write to the file: it is another process, whatever it does."""
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    global _file  # noqa: PLW0603 - as above
    _file = 0
    faulthandler.unregister(signal.SIGTERM)  # puts back what it found; the script's may be newer
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
