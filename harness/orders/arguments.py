# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of ``goldlock orders``."""

import argparse
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import NoReturn

from goldlock import atomic_file
from goldlock.errors import UsageError
from goldlock.orders.effects import LOCKS, POINTS

_LARGEST = 1_000_000
_JOBS_EACH = 4  # for each processor: more gain nothing, and all are started at once
_SHELL = re.compile(r"[|&;<>()$`*?\[\]#~!{}\n]")
_EPILOG = """\
Each program is a command line, with a name before it if you like: 'writer: qemu-io ...'.
An order is written as who makes how many steps: 9A 3B 2A; A is the first program.
Exit status: 1 if an outcome matches --never, if what must be so always is not, if all programs
wait for each other, or if a replay comes by another way; 2 for bad usage, 77 if kernel or sandbox
forbids it.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser(command: str) -> argparse.ArgumentParser:
    """Return what reads the arguments of a command of this name; it raises UsageError."""
    parser = _Parser(
        prog=command,
        description="Run programs in every order of their lock calls; show what can come of it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help="a command line")
    parser.add_argument("--setup", metavar="CMD", default="", help="makes the files to begin with")
    parser.add_argument("--outcome", metavar="CMD", default="", help="tells what came of it; "
                        "if left out, which files there are, with sizes and checksums")  # fmt: skip
    parser.add_argument("--never", metavar="PATTERN", help="regular expression that no outcome "
                        "may match; a dot is also a line end")  # fmt: skip
    parser.add_argument("--always", metavar="CMD", help="a shell's command line that must succeed "
                        "whenever all programs stand still; it reads who holds what")  # fmt: skip
    parser.add_argument("--holders", action="store_true", help="no two may hold what excludes each "
                        "other")  # fmt: skip
    parser.add_argument("--order", metavar="STRING", help="run this order only, and show each step")
    parser.add_argument("--shrink", action="store_true", help="look for orders with fewer switches "
                        "that lead to the same")  # fmt: skip
    parser.add_argument("--steps", action="store_true", help="show each step of each order")
    parser.add_argument("--html", metavar="FILE", help="draw the orders: a lane for each program")
    parser.add_argument("--chance", metavar="N", type=int, help="N orders by chance, not all")
    parser.add_argument("--seed", metavar="N", type=int, help="of --chance")
    parser.add_argument("--filter", metavar="NAMES", default="", help="filters for the outcomes, "
                        "as of goldlock filter")  # fmt: skip
    parser.add_argument("--switches", metavar="N", type=int, help="only orders with at most N "
                        "switches away from a program that could go on")  # fmt: skip
    parser.add_argument("--shard", metavar="I/N", help="the I-th of N parts of the orders")
    parser.add_argument("--together", action="store_true", help="put together what all shards have "
                        "found: each PROGRAM is a file that one has written")  # fmt: skip
    parser.add_argument("--budget", metavar="SECONDS", type=float, help="end after so long")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=60,
                        help="of a program that makes no lock call and does not end, "
                        "and of each CMD")  # fmt: skip
    parser.add_argument("-j", dest="jobs", metavar="N", type=int, default=0,
                        help=f"orders at the same time, up to {_JOBS_EACH} for each processor; "
                        "else one for each")  # fmt: skip
    parser.add_argument("--points", choices=POINTS, default=LOCKS,
                        help="lock calls are steps; or what makes files and looks at them by "
                        "name, too; or each open, read and write, too")  # fmt: skip
    parser.add_argument("--kit", metavar="NAME", help="names for bytes: those of a kit, e.g. qemu")
    parser.add_argument("--suite", metavar="DIR", help="names for bytes: those of a suite.toml")
    return parser


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for what is no use: numbers, empty words, two ways to choose orders."""
    least = {"jobs": 0, "chance": 1, "switches": 0, "seed": 0, "budget": 0, "limit": 0}
    for name, smallest in least.items():
        value = getattr(options, name)
        if value is not None and not smallest <= value < _LARGEST:
            flag = "-j" if name == "jobs" else f"--{name}"
            raise UsageError(f"{flag}: expected {smallest} to {_LARGEST - 1}, not {value:g}")
    most = _JOBS_EACH * len(os.sched_getaffinity(0))
    if options.jobs > most:
        raise UsageError(f"-j: {options.jobs} is more than {_JOBS_EACH} for each processor, {most}")
    may_be_unset = "never", "always", "order", "html", "suite"  # variables of a script
    for name in may_be_unset:
        if getattr(options, name) is not None and not getattr(options, name).strip():
            raise UsageError(f"--{name}: empty")
    if options.html:
        try:
            atomic_file.check(Path(options.html))  # before all is run
        except OSError:
            raise UsageError(f"--html {options.html}: no file can be written there") from None
    _check_choice(options)


def _check_choice(options: argparse.Namespace) -> None:
    """Raise UsageError where one option would be passed over for another."""
    given = [
        f"--{name}"
        for name in ("together", "order", "switches", "chance")
        if getattr(options, name) not in (None, False)
    ]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]}: one of them")
    if options.seed is not None and options.chance is None:
        raise UsageError("--seed: is of --chance")
    if options.shard and options.order is not None:
        raise UsageError("--shard and --order: one of them")
    if options.together:
        others = ("setup", "outcome", "never", "always", "html", "shard", "filter", "budget", "kit",
                  "suite", "holders", "shrink", "steps")  # fmt: skip
        for name in others:
            if getattr(options, name):
                raise UsageError(f"--{name}: say it to each shard; --together has what they found")


def command_of(text: str) -> tuple[str, ...]:
    """Return the words of a command line; a shell's, if it has what only a shell knows."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error
    if not words:
        raise UsageError("a program without a name")
    if _SHELL.search(re.sub("'[^']*'", "", text)) or "=" in words[0]:
        return ("sh", "-c", text)
    found = shutil.which(words[0])
    if not found:
        raise UsageError(f"{words[0]}: no such program")
    if not Path(found).is_absolute():  # it is started in another folder
        return (str(Path(found).absolute()), *words[1:])
    return words
