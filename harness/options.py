# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of options: spelled once, and taken from here by `run_tests.py` and by pytest."""

import re
from collections.abc import Callable, Iterable, Sequence
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
    """An option, for argparse and for pytest, which keeps short ones to itself.

    *help* says what it does, *metavar* calls its value; one without is a switch, and one whose
    *default* is a list can be given more than once. *type* reads the value. *short* is another
    name for it, not for pytest; *group* its heading in the help. *words* are values that can
    stand alone, as ``-raw`` for ``--imgfmt raw``.
    """

    flag: str
    help: str
    metavar: str = ""
    default: Any = None
    type: Callable[[str], Any] = str
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

    @property
    def keywords(self) -> dict[str, Any]:
        """Return what argparse is told of it."""
        if not self.metavar:
            return {"action": "store_true", "help": self.help}
        action = "append" if isinstance(self.default, list) else "store"
        told = {"action": action, "metavar": self.metavar, "default": self.default}
        return {**told, "type": self.type, "help": self.help}


def for_pytest(flag: str) -> str:
    """Return how pytest calls an option of ours, lest other plugins have one of that name."""
    return flag.replace("--", "--goldlock-", 1)


def in_words_of_pytest(message: str, options: Iterable[Option]) -> str:
    """Return a message with our *options* as pytest calls them."""
    flags = "|".join(option.flag for option in options)
    return re.sub(rf"(?<![\w-])(?:{flags})(?![\w-])", lambda found: for_pytest(found[0]), message)


def _of(group: str, *options: Option) -> list[Option]:
    return [option._replace(group=group) for option in options]


OPTIONS = (
    *_of(
        HOW,
        Option(
            "--jobs",
            "run N cases at a time; auto: as many as keep the processors busy (default)",
            "N",
            default="auto",
            short="-j",
        ),
        Option(
            "--require",
            "fail, instead of not running, the cases that miss one of these: a program or an"
            " ability, as headers name them, or qemu, for all of QEMU's",
            "NAME,...",
            default="",
        ),
        Option(
            "--time-limit",
            "for each case whose header has no timeout (default: 180); 0: none for any",
            "SECONDS",
            default=180.0,
            type=float,
        ),
        Option("--keep", "keep the directories of all cases"),
        Option(
            "--strict", "fail also where a suite's habit is to note it: what a case leaves behind"
        ),
    ),
    *_of(
        _FLAKY,
        Option("--repeat", "run each case N times", "N", type=int),
        Option("--until-fail", "run the cases again and again, until one fails"),
        Option(
            "--stress", "keep all processors busy, and start each program some milliseconds late"
        ),
        Option("--seed", "shuffle the order of cases with seed N", "N", type=int),
    ),
    *_of(
        _GOLDENS,
        Option(
            "--variant",
            "take sections from NNN.TRAIT.out first, whatever the programs are; --update makes it",
            "TRAIT",
            default="",
        ),
        Option(
            "--update",
            "write the goldens anew, show each change; a case whose golden would change is run"
            " twice, and what differs between its runs is shown, not written",
        ),
        Option("--once", "with --update or --review: run each case only once"),
        Option("--review", "ask for each section that differs, and write those that are accepted"),
        Option("--remove-orphans", "remove the goldens that no case uses, and name them"),
        Option("--force", "write goldens also in CI, over uncommitted changes and conflicts"),
    ),
    *_of(
        WHICH,
        Option("--store-durations", "write down how long each case took, for --shard"),
    ),
    *_of(
        _REPORTS,
        Option(
            "--slowest",
            "name the N slowest cases, with their last time (default: 3 of more than 5)",
            "N",
            type=int,
        ),
        Option("--html", "write an HTML report", "FILE"),
        Option("--junit-xml", "write JUnit XML, with sections as test cases", "FILE"),
        Option("--tap", "write TAP, with sections as subtests", "FILE"),
        Option("--json-lines", "write a JSON object for each event, as it happens", "FILE"),
        Option("--gitlab-report", "write failures as GitLab annotates them", "FILE"),
    ),
    *_of(
        _DEBUGGING,
        Option("--trace-locks", "show each lock call of each program, with its result"),
        Option("--trace-files", "the same, and each file that is made, renamed or removed"),
        Option(
            "--fault",
            "make lock calls of all cases fail as PLAN, or @FILE, says: 'lock 101 of t.qcow2"
            " fails with ENOLCK once'",
            "PLAN",
            default=[],
        ),
        Option("--show-commands", "show what each program was told, and what it said", short="-d"),
        Option(
            "--print",
            "write what programs are told, and what they say, to the terminal as it comes",
            short="-p",
        ),
        Option(
            "--wrap",
            "put COMMAND before each program, or before PROGRAM (qemu-io, ...); the word LOG"
            " in it stands for a file of its own for each start, which is kept",
            "[PROGRAM=]COMMAND",
            default=[],
        ),
        Option(
            "--gdb",
            "start qemu-system under gdbserver, with GDB_OPTIONS (default: localhost:12345),"
            " and wait; no time limits",
            short="-gdb",
        ),
        Option(
            "--valgrind",
            "start the programs under valgrind, whose errors fail the case; no time limits",
            short="-valgrind",
        ),
    ),
)

ORPHANS = Option("--orphans", "fail for goldens that no case uses")
"""For pytest only: the command does so whenever it runs a whole suite."""
