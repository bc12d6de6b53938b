# SPDX-License-Identifier: GPL-2.0-or-later
"""What is typed behind the name of the command, as argparse reads it.

The options are spelled as those of qemu-iotests' ``check`` wherever it has them.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from goldlock import __version__
from goldlock.bootstrap import NO_SETUP
from goldlock.errors import UsageError, suggest
from goldlock.options import GROUPS, HOW, WHICH
from goldlock.suite import kit as kits
from goldlock.suite.project import find_suite
from goldlock.suite.suite_file import suite_file

NAME_IN_CHECKOUT = "run_tests.py"

HELPERS = {
    "faults": "run a program with faults in its lock calls, or trace them",
    "filter": "apply filters for cases to standard input",
    "locks": "show who holds which lock on a directory's files",
    "orders": "run programs in every order of their lock calls",
    "show": "show a command of a shell case, and what it says, filtered",
    "trace": "run a program, and show its lock calls and who is in whose way",
    "wait": "wait until a lock, a file or a process is in a state",
}
"""The words that, first, are a command of their own (see `goldlock.__main__`), and what it does."""

COLOR = {"on": "yes", "off": "no", "auto": "auto"}
"""When the output has colors, and how pytest spells it."""

_EPILOG = """\
Commands of their own, each with a --help:
{commands}

After "--", options go to pytest as they are: %(prog)s -- -k 153

QEMU's programs: QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG, QEMU_NBD_PROG and QSD_PROG name
them; what is not named is looked up on PATH. TEST_DIR is where directories for the cases are
made.

Exit status: 0 when all cases passed or could not run here, 1 when one failed, 2 for
anything wrong with what was given here or with the suite, 130 when interrupted, 3 for
a bug in here.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if found := re.fullmatch(r"argument (\S+): invalid (?:int|float) value: (.*)", message):
            message = f"{found[1]} takes a number, not {found[2]}"
        raise UsageError(message)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split at ``--``: what is ours, what is for pytest."""
    if "--" not in arguments:
        return list(arguments), []
    at = list(arguments).index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def parse(arguments: Sequence[str], checkout: Path | None = None) -> argparse.Namespace:
    """Return the options; raise UsageError for what is none. *checkout* is as for `parser_for`."""
    parser = parser_for(checkout)
    options, unknown = parser.parse_known_intermixed_args(arguments)
    for word in unknown:
        flags = {flag for action in parser._actions for flag in action.option_strings}
        flags -= _flags_of_other_kits(options, checkout)
        near = [flag for flag in sorted(flags) if flag.startswith("--") or word[:2] != "--"]
        raise UsageError(f"unknown option {word!r}{suggest(word, near)}")
    return options


def _flags_of_other_kits(options: argparse.Namespace, checkout: Path | None) -> set[str]:
    """Return the options that the suite which is chosen so does not have."""
    try:
        own = suite_file(find_suite(options.suite, Path.cwd(), checkout)).kit
    except (UsageError, OSError):  # that is another mistake
        own = kits.Kit()
    return set().union(*map(_flags_of, kits.every())) - _flags_of(own)


def _flags_of(kit: kits.Kit) -> set[str]:
    words = [f"-{word}" for option in kit.options for word in option.words]
    return {*words, *(flag for option in kit.options for flag in (option.flag, option.short))}


def check_no_helper(words: Sequence[str]) -> None:
    """Raise UsageError where one of *words*, which are no cases, is nearly a command."""
    for word in words:
        if near := not word.isdecimal() and suggest(word, HELPERS):
            raise UsageError(f"neither a case nor a command: {word!r}{near}")


def check_alone(options: argparse.Namespace, flag: str, why: str) -> None:
    """Raise UsageError, which says *why*, for what is given beside *flag* and would not be heeded.

    In *why*, ``{}`` stands for what is given.
    """
    default = vars(parse([], Path()))
    heeded = {flag.removeprefix("--").replace("-", "_"), "no_setup"}
    for name, given in vars(options).items():
        if given != default[name] and name not in heeded:
            what = "cases" if name == "cases" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {why.format(what)}")


def parser_for(checkout: Path | None) -> argparse.ArgumentParser:
    """Return the parser of the command, which has options of its own in a *checkout*."""
    parser = _Parser(
        prog=NAME_IN_CHECKOUT if checkout else "goldlock",
        description="Run cases, and hold what they print against their goldens.",
        epilog=_EPILOG.format(
            commands="\n".join(f"  %(prog)s {name:<8} {does}" for name, does in HELPERS.items())
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s [OPTION ...] [CASE ...] [-- PYTEST OPTION ...]",
    )
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    choose = groups[WHICH]
    choose.add_argument(
        "cases", nargs="*", metavar="CASE", help="name of a case, as 153, or its file"
    )
    choose.add_argument("-g", dest="groups", metavar="GROUP,...", help="the cases of these groups")
    choose.add_argument("-x", dest="exclude", metavar="GROUP,...", help="but not of these groups")
    choose.add_argument("--start-from", metavar="CASE", help="from this case on")
    choose.add_argument(
        "-n", "--list", dest="list", action="store_true", help="list them, run nothing"
    )
    choose.add_argument("--shard", metavar="I/N", help="the I-th of N parts that take as long")
    choose.add_argument(
        "--suite", "--source-dir", metavar="DIR", help="the suite in DIR, or that called qemu"
    )
    choose.add_argument("--new", metavar="DIR", help="make a suite in DIR, with a case that passes")
    builds = groups[HOW]  # for the help; several builds are not run here
    builds.add_argument(
        "--matrix", metavar="NAME=DIR,...", help="run with each of these builds, and compare"
    )
    builds.add_argument(
        "--bisect",
        metavar="'CASE: SECTION'",
        help="find the first of the builds, in their order, that changes a section",
    )
    for option in kits.options():
        flags = [option.short, option.flag] if option.short else [option.flag]
        groups[option.group].add_argument(*flags, **option.keywords)
    groups[HOW].add_argument(
        "-tap",
        dest="tap_lines",
        action="store_true",
        help="say TAP lines as cases end, as QEMU's check does, and nothing else",
    )
    groups[HOW].add_argument(
        "--color",
        choices=COLOR,
        default="auto",
        help="auto: where the output is a terminal (default)",
    )
    _add_short_words(parser)
    rest = parser.add_argument_group("this program")
    if checkout:
        rest.add_argument("--self-test", action="store_true", help="run goldlock's own tests")
        rest.add_argument(NO_SETUP, action="store_true", help="use this Python's packages, or fail")
    rest.add_argument("--version", action="version", version=f"goldlock {__version__}")
    return parser


def _add_short_words(parser: argparse.ArgumentParser) -> None:
    """Let values that can stand alone do so: -raw for --imgfmt raw."""
    options = [option for option in kits.options() if option.words]
    lines = "\n".join(" ".join(f"-{word}" for word in option.words) for option in options)
    group = parser.add_argument_group("image formats and protocols, for short", lines)
    for option in options:
        for word in option.words:
            help_ = argparse.SUPPRESS
            group.add_argument(
                f"-{word}", dest=option.name, action="store_const", const=word, help=help_
            )


def groups_in(given: str | None) -> list[str]:
    """Return the groups that an option was given; raise UsageError where there are none."""
    words = [word for word in (given or "").split(",") if word]
    if given is not None and not words:
        raise UsageError(f"no group in {given!r}")
    return words
