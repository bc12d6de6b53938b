# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts of ours that stand for programs: on the PATH of a case, or with a command before them."""

# `goldlock show` starts often, and typing takes 3 ms to load.

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ALIAS = "GOLDLOCK_ALIAS"
"""Names a link that a script of ours makes to its program, and starts that by: `stand_for`."""


def path_without_shims(environ: "Mapping[str, str]") -> str:
    """Return PATH without the scripts that put into the log what they start."""
    shims = environ.get("GOLDLOCK_SHIMS")
    folders = environ.get("PATH", os.defpath).split(":")
    return ":".join(folder for folder in folders if not shims or folder != shims)


_PROGRAM = """\
goldlock_program={}
if [ "${}" ]; then  # the kernel is to name its processes so
    ln -sf "$goldlock_program" "${}"
    goldlock_program=${}
    unset {}
fi
"""


def stand_for(program: str) -> str:
    """Return the lines of a script for the shell that set ``$goldlock_program``, to be started.

    That is *program*, quoted for the shell; or a link to it, where the environment names one.
    """
    return _PROGRAM.format(program, *[ALIAS] * 4)


def stands_for_program(path: str) -> bool:
    """Tell whether a program is a script of ours that has the lines of `stand_for`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - for each program that a case starts
            return file.read(2) == b"#!" and ALIAS.encode() in file.read(8192)
    except OSError:
        return False
