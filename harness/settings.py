# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person chose for a run, frozen."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from goldlock.errors import UsageError, check_known

NO_LIMIT = 1_000_000.0
"""Seconds of a time limit at most, and for none: the kernel cannot wait for 25 days."""

_REPORTS = ("--html", "--junit-xml", "--tap", "--json-lines", "--gitlab-report")

_NAMES = (*_REPORTS, "--suite", "--new", "--build")
"""The options that take the name of a file or directory."""


def check_names(options: Namespace) -> None:
    """Raise UsageError for an option that was given an empty name: a variable that is not set."""
    for flag in _NAMES:
        if _value(options, flag) == "":
            raise UsageError(f"{flag} '': no file name")


def _value(options: Namespace, flag: str) -> str | None:
    value: str | None = getattr(options, flag.removeprefix("--").replace("-", "_"), None)
    return value


class Choices(NamedTuple):
    """What suites let a person choose from: traits, and requirements with their needs.

    *of_kits* has what was chosen of the kits' own options, by the name of each kit. *faults* are
    plans that were read. *programs*
    are those of the suites, *debugged* the one of them that ``--gdb`` stands before.
    """

    traits: Sequence[str] = ()
    requirements: Mapping[str, Sequence[str]] = {}
    of_kits: Mapping[str, Mapping[str, str]] = {}
    faults: Sequence[str] = ()
    programs: Sequence[str] = ()
    debugged: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of a run. *time_limit* is in seconds; *require* are needs of cases."""

    of_kits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The choices of each kit's own options, by its name."""
    programs: Sequence[str] = ()
    """The names of all programs of the suites, ..."""
    debugged: str = ""
    """... and the one that *gdb* is for."""
    require: frozenset[str] = frozenset()
    time_limit: float = 180.0
    variant: str = ""
    update: bool = False
    once: bool = False
    """Whether an update runs each case once, and not again to see if it prints the same."""
    review: bool = False
    remove_orphans: bool = False
    force: bool = False
    keep: bool = False
    strict: bool = False
    jobs: int = 0
    """How many cases are run at a time; 0: as many as keep the processors busy."""
    repeat: int = 0
    until_fail: bool = False
    seed: int | None = None
    stress: bool = False
    show_commands: bool = False
    trace_locks: bool = False
    trace_files: bool = False
    """Whether files that are made, renamed and removed are in the trace of lock calls, too."""
    faults: Sequence[str] = ()
    """Plans for all cases, each of one or more lines."""
    slowest: int | None = None
    store_durations: bool = False
    reports: Mapping[str, str] = field(default_factory=dict)
    """The files of the reports that are asked for, by their options."""
    print: bool = False
    wrap: Sequence[str] = ()
    gdb: bool = False
    valgrind: bool = False

    def limit(self, timeout: float | None) -> float:
        """Return the time limit of a case, in seconds, whose header has *timeout*."""
        return NO_LIMIT if self.time_limit == NO_LIMIT else timeout or self.time_limit

    @property
    def is_followed(self) -> bool:
        """Tell whether somebody reads along, or has a debugger at the one port that there is."""
        return self.gdb or self.print or self.trace_locks

    @property
    def repeats(self) -> bool:
        """Tell whether cases are run more than once, to find out if they always pass."""
        return bool(self.repeat) or self.until_fail

    @classmethod
    def from_options(
        cls, options: Namespace, environ: Mapping[str, str], choices: Choices
    ) -> "Settings":
        """Check the values of `goldlock.options`; raise UsageError for one that cannot be."""
        check_names(options)
        if options.variant:
            check_known("trait", options.variant, choices.traits)
        required = [name for name in options.require.split(",") if name]
        for name in required:
            check_known("requirement", name, choices.requirements)
        if not 0 <= options.time_limit < NO_LIMIT:
            raise UsageError(
                f"--time-limit takes seconds, up to {NO_LIMIT:.0f}, not {options.time_limit:g}"
            )
        jobs = _jobs(options)
        _check_numbers(options)
        _check_writing(options, environ)
        no_time_limit = not options.time_limit or options.gdb or options.valgrind
        names = {each.name for each in fields(cls)}
        as_given = {name: value for name, value in vars(options).items() if name in names}
        worked_out: dict[str, Any] = {
            "of_kits": choices.of_kits,
            "programs": choices.programs,
            "debugged": choices.debugged,
            "require": frozenset(n for name in required for n in choices.requirements[name]),
            "time_limit": NO_LIMIT if no_time_limit else options.time_limit,
            "jobs": jobs,
            "repeat": options.repeat or 0,
            "trace_locks": options.trace_locks or options.trace_files,
            "faults": tuple(choices.faults),
            "reports": {flag: file for flag in _REPORTS if (file := _value(options, flag))},
            "wrap": tuple(options.wrap),
        }
        return cls(**{**as_given, **worked_out})


def _jobs(options: Namespace) -> int:
    """Return how many cases are to run at a time; 0 for as many as keep the processors busy."""
    jobs = options.jobs
    if jobs != "auto" and not (jobs.isdecimal() and int(jobs)):
        raise UsageError(f"--jobs must be at least 1, or auto, not {jobs}")
    for option in ("gdb", "print"):
        if getattr(options, option):
            if jobs not in ("auto", "1"):
                raise UsageError(f"--{option}: one case at a time, so not with -j {jobs}")
            return 1
    return 0 if jobs == "auto" else int(jobs)


def _check_numbers(options: Namespace) -> None:
    if options.repeat is not None and options.repeat < 1:
        raise UsageError(f"--repeat must be at least 1, not {options.repeat}")
    if options.slowest is not None and options.slowest < 0:
        raise UsageError(f"--slowest must be at least 0, not {options.slowest}")


def _check_writing(options: Namespace, environ: Mapping[str, str]) -> None:
    """Check that goldens may be written, where they are to be."""
    if (options.update or options.review) and (options.repeat or options.until_fail):
        raise UsageError("--update and --review take one run, no --repeat or --until-fail")
    if options.update and options.review:
        raise UsageError("--update writes all that differs, --review asks: give one of them")
    if options.once and not options.update:
        raise UsageError("--once is for --update, which runs twice what it would write")
    for option in ("update", "review", "remove_orphans"):
        if getattr(options, option) and not options.force and _is_ci(environ):
            raise UsageError(
                f"--{option.replace('_', '-')}: CI is set, and CI must not write goldens;"
                " --force overrides"
            )


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "") not in ("", "false", "0")
