# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command has to say for itself: on standard error, or where a run looks for it."""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH123

import os
from contextlib import suppress

COMMAND = "goldlock faults"
"""What messages begin with, unless `speak_as` was told another command."""

_speaker = [COMMAND]
_report: list[str] = []


def speak_as(command: str) -> None:
    """Have messages begin with the name of the command that a person typed."""
    _speaker[:] = [command]


def complain(text: str) -> None:
    """Say one line on standard error, if there is one."""
    with suppress(OSError):
        os.write(2, os.fsencode(f"{_speaker[0]}: {text}\n"))


def report_to(path: str) -> None:
    """Have what there is to say at the end, about plans and the trace, in a file of its own."""
    _report[:] = [path]


def tell(said: list[str]) -> None:
    """Say what there is to say at the end, a line each."""
    try:
        for path in _report:
            with open(path, "ab") as file:
                file.write(os.fsencode("".join(f"{line}\n" for line in said)))
            return
    except OSError:  # it is not to be lost
        pass
    for line in said:
        complain(line)
