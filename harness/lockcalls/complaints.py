# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command has to say for itself: on standard error, or where a run looks for it."""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH123

import os
from contextlib import suppress

COMMAND = "goldlock faults"
"""What messages begin with, unless `speak_as` was told another command."""


class _Voice:
    """Who speaks, and the file for what there is to say at the end; "": standard error."""

    command = COMMAND
    report = ""


def speak_as(command: str) -> None:
    """Have messages begin with the name of the command that a person typed."""
    _Voice.command = command


def complain(text: str) -> None:
    """Say one line on standard error, if there is one."""
    with suppress(OSError):
        os.write(2, os.fsencode(f"{_Voice.command}: {text}\n"))


def report_to(path: str) -> None:
    """Have what there is to say at the end, about plans and the trace, in a file of its own."""
    _Voice.report = path


def tell(said: list[str]) -> None:
    """Say what there is to say at the end, a line each."""
    if _Voice.report:
        with suppress(OSError):  # it is not to be lost: then it is said as all else
            with open(_Voice.report, "ab") as file:
                file.write(os.fsencode("".join(f"{line}\n" for line in said)))
            return
    for line in said:
        complain(line)
