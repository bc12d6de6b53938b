# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of options: spelled once, and taken from here by `run_tests.py` and by pytest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

WHICH = "which cases (default: all)"
HOW = "how they are run"
_GOLDENS = "goldens"
_DEBUGGING = "debugging"
_FLAKY = "flaky tests"
_REPORTS = "reports"
GROUPS = (WHICH, HOW, _GOLDENS, _DEBUGGING, _FLAKY, _REPORTS)
"""The headings of the help, in the order of the README's table."""


class Option(NamedTuple):
    """An option as argparse takes it. pytest keeps short ones to itself: *short* is not for it.

    *group* is its heading in the help.
    *words* are values that can stand alone, as ``-raw`` for ``--imgfmt raw``.
    """

    flag: str
    keywords: Mapping[str, Any]
    short: str = ""
    group: str = HOW
    words: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Return the name of its value among the options that were parsed."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def dest(self) -> str:
        """Return the name of its value among those of pytest."""
        return f"goldlock_{self.name}"


def for_pytest(flag: str) -> str:
    """Return how pytest calls an option of ours, lest other plugins have one of that name."""
    return flag.replace("--", "--goldlock-", 1)


def in_words_of_pytest(message: str, options: Iterable[Option]) -> str:
    """Return a message with our *options* as pytest calls them."""
    flags = "|".join(option.flag for option in options)
    return re.sub(rf"(?<![\w-])(?:{flags})(?![\w-])", lambda found: for_pytest(found[0]), message)


_FILE = {"metavar": "FILE", "default": None}

OPTIONS = (
    Option(
        "--jobs",
        {
            "metavar": "N",
            "default": "auto",
            "help": "run N cases at a time; auto: as many as keep the processors busy (default)",
        },
        short="-j",
    ),
    Option(
        "--repeat", {"metavar": "N", "type": int, "help": "run each case N times"}, group=_FLAKY
    ),
    Option(
        "--until-fail",
        {"action": "store_true", "help": "run the cases again and again, until one fails"},
        group=_FLAKY,
    ),
    Option(
        "--stress",
        {
            "action": "store_true",
            "help": "keep all processors busy, and start each program some milliseconds late",
        },
        group=_FLAKY,
    ),
    Option(
        "--seed",
        {"metavar": "N", "type": int, "help": "shuffle the order of cases with seed N"},
        group=_FLAKY,
    ),
    Option(
        "--require",
        {
            "metavar": "NAME,...",
            "default": "",
            "help": "fail, instead of not running, the cases that miss one of these: a program"
            " or an ability, as headers name them, or qemu, for all of QEMU's",
        },
    ),
    Option(
        "--time-limit",
        {
            "metavar": "SECONDS",
            "type": float,
            "default": 180.0,
            "help": "for each case whose header has no timeout (default: 180); 0: none for any",
        },
    ),
    Option(
        "--variant",
        {
            "metavar": "TRAIT",
            "default": "",
            "help": "use the goldens NNN.TRAIT.out and no others; --update makes them",
        },
        group=_GOLDENS,
    ),
    Option(
        "--update",
        {
            "action": "store_true",
            "help": "write the goldens anew, show each change; a case whose golden would change"
            " is run twice, and what differs between its runs is shown, not written",
        },
        group=_GOLDENS,
    ),
    Option(
        "--once",
        {"action": "store_true", "help": "with --update: run each case only once"},
        group=_GOLDENS,
    ),
    Option(
        "--review",
        {
            "action": "store_true",
            "help": "ask for each section that differs, and write those that are accepted",
        },
        group=_GOLDENS,
    ),
    Option(
        "--remove-orphans",
        {"action": "store_true", "help": "remove the goldens that no case uses, and name them"},
        group=_GOLDENS,
    ),
    Option(
        "--force",
        {
            "action": "store_true",
            "help": "write goldens also in CI, over uncommitted changes and conflicts",
        },
        group=_GOLDENS,
    ),
    Option(
        "--store-durations",
        {"action": "store_true", "help": "write down how long each case took, for --shard"},
        group=WHICH,
    ),
    Option("--keep", {"action": "store_true", "help": "keep the directories of all cases"}),
    Option(
        "--strict",
        {
            "action": "store_true",
            "help": "fail also where a suite's habit is to note it: what a case leaves behind",
        },
    ),
    Option(
        "--trace-locks",
        {"action": "store_true", "help": "show each lock call of each program, with its result"},
        group=_DEBUGGING,
    ),
    Option(
        "--trace-files",
        {
            "action": "store_true",
            "help": "the same, and each file that is made, renamed or removed",
        },
        group=_DEBUGGING,
    ),
    Option(
        "--fault",
        {
            "metavar": "PLAN",
            "action": "append",
            "default": [],
            "help": "make lock calls of all cases fail as PLAN, or @FILE, says: 'lock 101 of"
            " t.qcow2 fails with ENOLCK once'",
        },
        group=_DEBUGGING,
    ),
    Option(
        "--show-commands",
        {"action": "store_true", "help": "show what each program was told, and what it said"},
        short="-d",
        group=_DEBUGGING,
    ),
    Option(
        "--slowest",
        {
            "metavar": "N",
            "type": int,
            "help": "name the N slowest cases, with their last time (default: 3 of more than 5)",
        },
        group=_REPORTS,
    ),
    Option("--html", {**_FILE, "help": "write an HTML report"}, group=_REPORTS),
    Option(
        "--junit-xml",
        {**_FILE, "help": "write JUnit XML, with sections as test cases"},
        group=_REPORTS,
    ),
    Option("--tap", {**_FILE, "help": "write TAP, with sections as subtests"}, group=_REPORTS),
    Option(
        "--json-lines",
        {**_FILE, "help": "write a JSON object for each event, as it happens"},
        group=_REPORTS,
    ),
    Option(
        "--gitlab-report",
        {**_FILE, "help": "write failures as GitLab annotates them"},
        group=_REPORTS,
    ),
    Option(
        "--print",
        {
            "action": "store_true",
            "help": "write what programs are told, and what they say, to the terminal as it comes",
        },
        short="-p",
        group=_DEBUGGING,
    ),
    Option(
        "--wrap",
        {
            "metavar": "[PROGRAM=]COMMAND",
            "action": "append",
            "default": [],
            "help": "put COMMAND before each program, or before PROGRAM (qemu-io, ...); the word"
            " LOG in it stands for a file of its own for each start, which is kept",
        },
        group=_DEBUGGING,
    ),
    Option(
        "--gdb",
        {
            "action": "store_true",
            "help": "start qemu-system under gdbserver, with GDB_OPTIONS (default:"
            " localhost:12345), and wait; no time limits",
        },
        short="-gdb",
        group=_DEBUGGING,
    ),
    Option(
        "--valgrind",
        {
            "action": "store_true",
            "help": "start the programs under valgrind, whose errors fail the case; no time limits",
        },
        short="-valgrind",
        group=_DEBUGGING,
    ),
)

ORPHANS = Option(
    "--orphans", {"action": "store_true", "help": "fail for goldens that no case uses"}
)
"""For pytest only: the command does so whenever it runs a whole suite."""
