"""What a person chose for a run, frozen; and the table of options that it is chosen by.

The options are spelled once, here: `run_tests.py` and pytest both take them from this
table.
"""

import os.path
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import UsageError, choice

if TYPE_CHECKING:
    from harness.running.wrap import Wrappers

FORMATS = (
    *("qcow2", "raw", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels", "luks"),
    *("bochs", "cloop", "dmg", "vvfat"),
)
PROTOCOLS = ("file", "nbd", "ssh", "nfs", "fuse")
LONGEST = 1_000_000.0
"""Seconds of a time limit at most, and for none: the kernel cannot wait for 25 days."""

KINDS = ("auto", "system", "embedded")
POLICIES = ("errno", "elided")
TRAITS = POLICIES
"""What goldens can be variants for: each of `programs.Programs.traits` is one of these."""

REQUIREMENTS = {
    "qemu": ("qemu-system", "qemu-img", "qemu-io", "qemu-nbd", "ofd-locks"),
    "qemu-system": ("qemu-system",),
    "qemu-img": ("qemu-img",),
    "qemu-io": ("qemu-io",),
    "qemu-nbd": ("qemu-nbd",),
    "ofd-locks": ("ofd-locks",),
    "faults": ("faults",),
}
"""What ``--require`` takes, and the needs of cases that each stands for."""

NEEDS = tuple(dict.fromkeys(need for needs in REQUIREMENTS.values() for need in needs))
"""What the header of a case can need."""


WHICH = "which cases (default: all)"
HOW = "how they are run"
_GOLDENS = "goldens"
_INSIDE = "looking inside"
_HUNTING = "hunting a race"
_TELLING = "reports"
GROUPS = (WHICH, HOW, _GOLDENS, _INSIDE, _HUNTING, _TELLING)
"""The headings of the help, in the order of the README's table."""


class Option(NamedTuple):
    """An option as argparse takes it. pytest keeps short ones to itself: *short* is not for it.

    *of_pytest* says that pytest has the option already. *group* is its heading in the help.
    """

    flag: str
    keywords: Mapping[str, Any]
    short: str = ""
    of_pytest: bool = False
    group: str = HOW


_FILE = {"metavar": "FILE", "default": None}

OPTIONS = (
    Option(
        "--imgfmt",
        {"metavar": "FORMAT", "default": "qcow2", "help": "image format (default: qcow2)"},
    ),
    Option(
        "--imgproto",
        {"metavar": "PROTOCOL", "default": "file", "help": "image protocol (default: file)"},
    ),
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
        "--repeat", {"metavar": "N", "type": int, "help": "run each case N times"}, group=_HUNTING
    ),
    Option(
        "--until-fail",
        {"action": "store_true", "help": "run the cases again and again, until one fails"},
        group=_HUNTING,
    ),
    Option(
        "--stress",
        {
            "action": "store_true",
            "help": "keep all processors busy, and start each program some milliseconds late",
        },
        group=_HUNTING,
    ),
    Option(
        "--seed",
        {"metavar": "N", "type": int, "help": "run them in an order made of N, each time another"},
        group=_HUNTING,
    ),
    Option(
        "--programs",
        {
            "metavar": "KIND",
            "default": "auto",
            "help": "system: the QEMU that is named or on PATH; embedded: goldlock's own;"
            " auto: system if there is one (default)",
        },
    ),
    Option(
        "--errno-policy",
        {
            "metavar": "POLICY",
            "default": "errno",
            "help": "errno or elided: whether the embedded programs tell the errno of a lock"
            " conflict (default: errno)",
        },
    ),
    Option(
        "--require",
        {
            "metavar": "NAME,...",
            "default": "",
            "help": "fail, instead of not running, the cases that miss one of these: "
            + ", ".join(REQUIREMENTS),
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
        {"action": "store_true", "help": "write the goldens anew, show each change"},
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
        "--trace-locks",
        {"action": "store_true", "help": "show each lock call of each program, with its result"},
        group=_INSIDE,
    ),
    Option(
        "--show-commands",
        {"action": "store_true", "help": "show what each program was told, and what it said"},
        short="-d",
        group=_INSIDE,
    ),
    Option(
        "--slowest",
        {
            "metavar": "N",
            "type": int,
            "help": "name the N slowest cases, with their last time (default: 3 of more than 5)",
        },
        group=_TELLING,
    ),
    Option("--html", {**_FILE, "help": "write a page to look at"}, group=_TELLING),
    Option(
        "--junit-xml",
        {**_FILE, "help": "write JUnit XML, with sections as test cases"},
        of_pytest=True,
        group=_TELLING,
    ),
    Option("--tap", {**_FILE, "help": "write TAP, with sections as subtests"}, group=_TELLING),
    Option(
        "--json-lines",
        {**_FILE, "help": "write a JSON object for each event, as it happens"},
        group=_TELLING,
    ),
    Option(
        "--gitlab-report",
        {**_FILE, "help": "write failures as GitLab annotates them"},
        group=_TELLING,
    ),
    Option(
        "--print",
        {
            "action": "store_true",
            "help": "write what programs are told, and what they say, to the terminal as it comes",
        },
        short="-p",
        group=_INSIDE,
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
        group=_INSIDE,
    ),
    Option(
        "--commands",
        {
            "metavar": "DIR",
            "help": "write a shell script for each case to DIR, which repeats its command lines",
        },
        group=_INSIDE,
    ),
    Option(
        "--gdb",
        {
            "action": "store_true",
            "help": "start qemu-system under gdbserver, with GDB_OPTIONS (default:"
            " localhost:12345), and wait; no time limits",
        },
        short="-gdb",
        group=_INSIDE,
    ),
    Option(
        "--valgrind",
        {
            "action": "store_true",
            "help": "start the programs under valgrind, whose errors fail the case; no time limits",
        },
        short="-valgrind",
        group=_INSIDE,
    ),
)

_REPORTS = {
    "--html": "html",
    "--junit-xml": "junit_xml xmlpath",  # the latter is pytest's own name for it
    "--tap": "tap",
    "--json-lines": "json_lines",
    "--gitlab-report": "gitlab_report",
}


_NAMES = {**_REPORTS, "--commands": "commands", "--suite": "suite", "--build": "build"}
"""The options that take the name of a file or directory."""


def check_names(options: Namespace) -> None:
    """Raise UsageError for an option that was given an empty name: a variable that is not set."""
    for flag, names in _NAMES.items():
        if any(getattr(options, name, None) == "" for name in names.split()):
            raise UsageError(f"{flag} '': no file name")


def reports(options: Namespace) -> dict[str, str]:
    """Return the options for reports that are given, with the file of each."""
    found = {
        flag: next((getattr(options, n) for n in names.split() if getattr(options, n, "")), "")
        for flag, names in _REPORTS.items()
    }
    return {flag: file for flag, file in found.items() if file}


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of a run. *time_limit* is in seconds; *require* are needs of cases."""

    imgfmt: str = "qcow2"
    imgproto: str = "file"
    require: frozenset[str] = frozenset()
    time_limit: float = 180.0
    variant: str = ""
    update: bool = False
    review: bool = False
    remove_orphans: bool = False
    force: bool = False
    keep: bool = False
    jobs: int = 0
    """How many cases are run at a time; 0: as many as keep the processors busy."""
    repeat: int = 0
    until_fail: bool = False
    seed: int | None = None
    stress: bool = False
    show_commands: bool = False
    trace_locks: bool = False
    programs: str = "auto"
    errno_policy: str = "errno"
    print_to: str = ""
    """A file that is the terminal, where what programs say is to be seen as it comes."""
    wrappers: "Wrappers | None" = None
    commands: str = ""
    """The folder for scripts that repeat the command lines of cases."""

    def limit(self, timeout: float | None) -> float:
        """Return the time limit of a case, in seconds, whose header has *timeout*."""
        return LONGEST if self.time_limit == LONGEST else timeout or self.time_limit

    @property
    def hunts(self) -> bool:
        """Tell whether cases are run more than once, to find out if they always pass."""
        return bool(self.repeat) or self.until_fail

    @classmethod
    def from_options(cls, options: Namespace, environ: Mapping[str, str]) -> "Settings":
        """Check the values of `OPTIONS`; raise UsageError for one that cannot be."""
        check_names(options)
        _known("image format", options.imgfmt, FORMATS)
        _known("protocol", options.imgproto, PROTOCOLS)
        _known("kind of programs", options.programs, KINDS)
        _known("errno policy", options.errno_policy, POLICIES)
        if options.variant:
            _known("trait", options.variant, TRAITS)
        required = [name for name in options.require.split(",") if name]
        for name in required:
            _known("requirement", name, REQUIREMENTS)
        if not 0 <= options.time_limit < LONGEST:
            raise UsageError(
                f"--time-limit takes seconds, up to {LONGEST:.0f}, not {options.time_limit:g}"
            )
        jobs = _jobs(options)
        _check_numbers(options)
        _check_writing(options, environ)
        if reports(options):
            from harness.reports.files import check  # for those who want reports only

            check(options)
        if options.commands:
            from harness.running.replay import check_folder  # as above

            check_folder(options.commands)
        wrappers, print_to = _looking_inside(options, environ, jobs)
        if options.gdb or options.print:
            jobs = 1
        patient = not options.time_limit or (wrappers and wrappers.patient)
        return cls(
            imgfmt=options.imgfmt,
            imgproto=options.imgproto,
            require=frozenset(need for name in required for need in REQUIREMENTS[name]),
            time_limit=LONGEST if patient else options.time_limit,
            variant=options.variant,
            update=options.update,
            review=options.review,
            remove_orphans=options.remove_orphans,
            force=options.force,
            keep=options.keep,
            jobs=jobs,
            repeat=options.repeat or 0,
            until_fail=options.until_fail,
            seed=options.seed,
            stress=options.stress,
            show_commands=options.show_commands,
            trace_locks=options.trace_locks,
            programs=_kind(options.programs, required),
            errno_policy=options.errno_policy,
            print_to=print_to,
            wrappers=wrappers,
            commands=os.path.abspath(options.commands) if options.commands else "",  # noqa: PTH100 - no need of pathlib here
        )


def _jobs(options: Namespace) -> int:
    """Return how many cases are to run at a time; 0 for as many as keep the processors busy."""
    if options.jobs == "auto":
        return 0
    if not options.jobs.isdecimal() or not int(options.jobs):
        raise UsageError(f"--jobs takes a number from 1 on, or auto, not {options.jobs}")
    return int(options.jobs)


def _check_numbers(options: Namespace) -> None:
    if options.repeat is not None and options.repeat < 1:
        raise UsageError(f"--repeat takes a number from 1 on, not {options.repeat}")
    if options.slowest is not None and options.slowest < 0:
        raise UsageError(f"--slowest takes a number from 0 on, not {options.slowest}")


def _check_writing(options: Namespace, environ: Mapping[str, str]) -> None:
    """Check that goldens may be written, where they are to be."""
    if (options.update or options.review) and (options.repeat or options.until_fail):
        raise UsageError("--update and --review take one run, no --repeat or --until-fail")
    if options.update and options.review:
        raise UsageError("--update writes all that differs, --review asks: give one of them")
    for option in ("update", "review", "remove_orphans"):
        if getattr(options, option) and not options.force and _is_ci(environ):
            raise UsageError(
                f"--{option.replace('_', '-')}: CI is set, and CI must not write goldens;"
                " --force overrides"
            )


def _looking_inside(
    options: Namespace, environ: Mapping[str, str], jobs: int
) -> tuple["Wrappers | None", str]:
    """Return what stands before the programs, and where what they say is to be seen."""
    for option in ("gdb", "print"):
        if getattr(options, option) and jobs > 1:
            raise UsageError(f"--{option}: one case at a time, so not with -j {jobs}")
    wraps = options.wrap or options.gdb or options.valgrind or options.stress
    if not (wraps or options.print):
        return None, ""
    from harness.running.wrap import Wrappers, terminal  # only for those who look inside

    wrappers = Wrappers.from_options(options, environ)
    return wrappers if wrappers.commands or wrappers.gdb else None, (
        terminal() if options.print else ""
    )


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "") not in ("", "false", "0")


def _kind(given: str, required: Sequence[str]) -> str:
    """Return the kind of programs: where a real QEMU is required, ours does not stand in."""
    real = any(name.startswith("qemu") for name in required)
    return "system" if given == "auto" and real else given


def _known(kind: str, word: str, words: Mapping[str, object] | tuple[str, ...]) -> None:
    if word not in words:
        raise UsageError(f"unknown {kind} {word!r}{choice(word, words)}")
