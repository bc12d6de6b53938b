"""End a program below another one that was put before it, such as strace or gdbserver.

Killed itself, strace leaves its program running, with all its locks.
"""

import os
import signal
from contextlib import suppress
from select import POLLIN, poll

from harness import processes

GRACE = 2.0
"""Seconds that the command before a program has to notice its end, and to finish its log."""


def kill_below(pid: int) -> None:
    """Kill all processes below *pid*, and wait for their end; then for that of *pid*, a while.

    The process itself stays to be reaped, and is still there if it did not end.
    """
    below = processes.below(pid)
    for each in below:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    for each in below:
        _wait(each, None)
    if below:
        _wait(pid, GRACE)


def _wait(pid: int, seconds: float | None) -> None:
    """Wait for the end of any process, for *seconds* at most."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        waiting = poll()
        waiting.register(descriptor, POLLIN)
        waiting.poll(None if seconds is None else seconds * 1000)
    finally:
        os.close(descriptor)
