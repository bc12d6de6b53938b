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


class LateError(Exception):
    """A command line did not end in time; str() says which one, and is a line."""


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
