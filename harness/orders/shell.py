# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell's command line that must end in time."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from goldlock import linux

LIMIT = 60
"""Seconds, where nobody has asked for others."""


class ShellError(Exception):
    """A command line does not do what it is for; str() says which one, and is a line."""


class LateError(ShellError):
    """It did not end in time."""


_CANNOT, _NOT_FOUND = 126, 127
"""Exit statuses of a shell that cannot execute a program, or has not found it."""


def set_up(command: str, folder: Path, limit: float) -> None:
    """Run a command line that must succeed; raise ShellError."""
    status, said = run(command, folder, limit)
    if status:
        raise _failed("set-up", command, status, said)


def outcome(command: str, folder: Path, limit: float) -> str:
    """Return what a command line says, whatever it ends with; raise ShellError if it is none."""
    status, said = run(command, folder, limit)
    must_be_found("outcome", command, status, said)
    return said


def must_be_found(what: str, command: str, status: int, said: str = "") -> None:
    """Raise ShellError where a shell has not found what it is to execute, or cannot."""
    if status in (_CANNOT, _NOT_FOUND):
        raise _failed(what, command, status, said)


def _failed(what: str, command: str, status: int, said: str) -> ShellError:
    last = said.strip().rpartition("\n")[2]
    return ShellError(f"the {what} failed with exit status {status}: {last or command}")


def run(
    command: str, folder: Path, limit: float, given: str = "", *, quiet: bool = False
) -> tuple[int, str]:
    """Run a command line that reads what it is *given*; return its exit status, and what it says.

    Nothing if it is to be *quiet*: then nobody waits for who has its output still. Raises LateError
    when that takes more than *limit* seconds.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, stderr=subprocess.STDOUT,
        process_group=0,  # what it starts ends with it
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(os.fsencode(given), timeout=limit)
        except BaseException as error:
            end_below(process.pid)
            _kill(-process.pid)
            if isinstance(error, subprocess.TimeoutExpired):
                raise LateError(f"{command}: no end in {limit:g} s") from None
            raise
    return process.returncode, (said or b"").decode("utf-8", "surrogateescape")


def end_below(root: int) -> None:
    """Kill all processes below one, each with its group if it has one of its own."""
    below = [pid for pid, _ in linux.processes_below(root)]
    for pid in below:
        _kill(-pid)  # first: who is killed alone leaves those behind that it has just started
        _kill(pid)


def _kill(pid: int) -> None:
    """Kill a process, or, with -N, a group, that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
