# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts of ours that stand for programs: on the PATH of a case, or with a command before them."""

# `goldlock show` starts often, and typing takes 3 ms to load.

import os
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    ln -sf "$(command -v "$goldlock_program")" "${}"
    goldlock_program=${}
    unset {}
fi
"""


LEAVE_PATH = """\
for goldlock_folder in "${0%/*}" "${GOLDLOCK_SHIMS:-none}"; do
    case :$PATH: in
    *":$goldlock_folder:"*)
        goldlock_path=:$PATH:
        PATH=${goldlock_path%%":$goldlock_folder:"*}:${goldlock_path#*":$goldlock_folder:"}
        PATH=${PATH#:}
        PATH=${PATH%:}
        ;;
    esac
done
"""
"""The lines of a script by which it takes its folder, and that of shims, from PATH."""


def stand_for(command: "Sequence[str]", name: str) -> tuple[str, str]:
    """Return the first lines of a script called *name* for the shell, and the words that it starts.

    One of the words is the program, or a link to it, where the environment names one: the first,
    or that which is *name*, as in ``stdbuf -o0 tdbtool``. That does not lead back to the script.
    """
    words = [*map(shlex.quote, command)]
    at = command.index(name) if name in command[1:] else 0
    lines = _PROGRAM.format(words[at], *[ALIAS] * 4)
    words[at] = '"$goldlock_program"'
    return f"{LEAVE_PATH if at else ''}{lines}", " ".join(words)


def stands_for_program(path: str) -> bool:
    """Tell whether a program is a script of ours that has the lines of `stand_for`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - for each program that a case starts
            return file.read(2) == b"#!" and ALIAS.encode() in file.read(8192)
    except OSError:
        return False
