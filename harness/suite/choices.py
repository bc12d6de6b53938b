# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of a run, made once: what a person chose for certain suites, checked."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from goldlock.errors import UsageError, check_known
from goldlock.options import OPTIONS, Option
from goldlock.settings import NO_LIMIT, Settings
from goldlock.suite.declared import SuiteFile
from goldlock.suite.kit import Kit, every, load
from goldlock.suite.suite_file import FILE, suite_file

_BEFORE_PROGRAMS = ("--wrap", "--gdb", "--valgrind")
"""Options that put something before the programs of a suite."""

_REPORTS = ("--html", "--junit-xml", "--tap", "--json-lines", "--gitlab-report")

_NAMES = (*_REPORTS, "--suite", "--new", "--build")
"""The options that take the name of a file or directory."""


def check_names(options: Namespace) -> None:
    """Raise UsageError for an option that was given an empty name: a variable that is not set."""
    for flag in _NAMES:
        if _value(options, flag) == "":
            raise UsageError(f"{flag} '': no file name")


def _check_reports(options: Namespace, files: Sequence[SuiteFile]) -> None:
    """Raise UsageError for a report that would take the place of a case, or of a golden."""
    roots = [Path(os.path.realpath(file.root)) for file in files]
    for flag in _REPORTS:
        if not (name := _value(options, flag)):
            continue
        place = Path(os.path.realpath(os.path.expanduser(name)))  # noqa: PTH111 - takes any bytes
        for root in roots:
            flat = place.parent == root and (place.name.isdecimal() or place.suffix == ".out")
            if flat or place.parent in (root / "cases", root / "expected"):
                raise UsageError(f"{flag} {name}: is for a case, or a golden; name another file")


def _value(options: Namespace, flag: str) -> str | None:
    value: str | None = getattr(options, flag.removeprefix("--").replace("-", "_"), None)
    return value


def settings(options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]) -> Settings:
    """Check all *options*, those of the kits of *suites* among them.

    Raises UsageError for one that cannot be, or that no suite here heeds.
    """
    files = [*map(suite_file, suites)]
    kits = list(dict.fromkeys(file.kit for file in files))
    check_names(options)
    _check_reports(options, files)
    _check_heeded(options, files)
    of_kits = {
        kit.name: kit.choose(options, environ, [f.root for f in files if f.kit is kit])
        for kit in kits
    }
    if options.variant:
        check_known("trait", options.variant, [trait for file in files for trait in file.traits])
    _check_numbers(options)
    _check_writing(options, environ)
    known = {field.name for field in fields(Settings)}
    chosen: dict[str, Any] = {name: v for name, v in vars(options).items() if name in known}
    no_time_limit = not options.time_limit or options.gdb or options.valgrind
    chosen |= {
        "of_kits": of_kits,
        "programs": tuple(dict.fromkeys(n for file in files for n in file.program_names)),
        "debugged": next((file.debugged for file in files if file.debugged), ""),
        "require": _required(options, files),
        "time_limit": NO_LIMIT if no_time_limit else options.time_limit,
        "jobs": _jobs(options),
        "repeat": options.repeat or 0,
        "trace_locks": options.trace_locks or options.trace_files,
        "faults": [_plan(each, files) for each in options.fault],
        "reports": {flag: file for flag in _REPORTS if (file := _value(options, flag))},
    }
    return Settings(**chosen)


def _required(options: Namespace, files: Sequence[SuiteFile]) -> frozenset[str]:
    """Return the needs that ``--require`` stands for."""
    known = {name: needs for file in files for name, needs in file.kit.requirements.items()}
    known |= {name: (name,) for file in files for name in file.programs}
    required = [name for name in options.require.split(",") if name]
    for name in required:
        check_known("requirement", name, known)
    return frozenset(need for name in required for need in known[name])


def _plan(given: str, files: Sequence[SuiteFile]) -> str:
    """Return a plan that *given* is, or names the file of; raise UsageError for a bad one."""
    from goldlock.lockcalls.plan import parse_plan  # only for those who want faults
    from goldlock.lockcalls.plan_line import PlanError
    from goldlock.suite.lock_words import words_of

    name = given[1:] if given.startswith("@") else "--fault"
    try:
        text = Path(name).read_text("utf-8-sig") if given.startswith("@") else given
        for file in files:
            if not parse_plan(text, words_of(file)):
                raise UsageError(f"{name}: no fault in this plan")
    except PlanError as error:
        raise UsageError(f"{name}:{error}") from None
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{name}: {getattr(error, 'strerror', 'not UTF-8')}") from None
    return text


def _check_heeded(options: Namespace, files: Sequence[SuiteFile]) -> None:
    this, has = ("this suite", "does not have") if len(files) == 1 else ("no suite here", "has")
    kits = {file.kit for file in files}
    heeded = {option.flag for kit in kits for option in kit.options}
    for kit in every():
        for option in kit.options:
            if option.flag in heeded:
                continue
            heeded.add(option.flag)  # another kit may take it over from this one
            if _is_given(option, options, kit):
                which = f"which {this} {has}"
                raise UsageError(f"{option.flag} is an option of the kit {kit.name}, {which}")
    if any(file.program_names for file in files):
        return
    for option in OPTIONS:
        if option.flag in _BEFORE_PROGRAMS and _is_given(option, options, load("")):
            declares = "declares no program" if len(files) == 1 else "declares a program"
            raise UsageError(
                f"{option.flag} stands before programs, and {this} {declares}:"
                f" [programs.NAME] in its {FILE} does"
            )


def _is_given(option: Option, options: Namespace, kit: Kit) -> bool:
    unsaid = (option.default, kit.defaults.get(option.name, option.default), False)
    return getattr(options, option.name) not in unsaid


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
    if not 0 <= options.time_limit < NO_LIMIT:
        raise UsageError(
            f"--time-limit takes seconds, up to {NO_LIMIT:.0f}, not {options.time_limit:g}"
        )
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
    if options.once and not (options.update or options.review):
        raise UsageError("--once is for --update and --review, which run twice what may be written")
    for option in ("update", "review", "remove_orphans"):
        if getattr(options, option) and not options.force and _is_ci(environ):
            raise UsageError(
                f"--{option.replace('_', '-')}: CI is set, and CI must not write goldens;"
                " --force overrides"
            )


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "") not in ("", "false", "0")
