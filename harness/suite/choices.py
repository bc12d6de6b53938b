# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person may choose for a run of certain suites, checked."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.options import OPTIONS, Option
from goldlock.settings import Choices, Settings
from goldlock.suite.declared import SuiteFile
from goldlock.suite.kit import Kit, every, load
from goldlock.suite.suite_file import FILE, suite_file

_BEFORE_PROGRAMS = ("--wrap", "--gdb", "--valgrind")
"""Options that put something before the programs of a suite."""


def settings(options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]) -> Settings:
    """Check all *options*, those of the kits of *suites* among them.

    Raises UsageError for one that cannot be, or that no suite here heeds.
    """
    files = [*map(suite_file, suites)]
    kits = list(dict.fromkeys(file.kit for file in files))
    _check_heeded(options, files)
    programs = [name for file in files for name in file.program_names]
    choices = Choices(
        traits=tuple(trait for file in files for trait in file.traits),
        requirements={
            **{name: needs for kit in kits for name, needs in kit.requirements.items()},
            **{name: (name,) for file in files for name in file.programs},
        },
        of_kits={
            kit.name: kit.choose(options, environ, [f.root for f in files if f.kit is kit])
            for kit in kits
        },
        faults=[_plan(each, kits) for each in options.fault],
        programs=tuple(dict.fromkeys(programs)),
        debugged=next((file.debugged for file in files if file.debugged), ""),
    )
    return Settings.from_options(options, environ, choices)


def _plan(given: str, kits: Sequence[Kit]) -> str:
    """Return a plan that *given* is, or names the file of; raise UsageError for a bad one."""
    from goldlock.lockcalls.plan import parse_plan  # only for those who want faults
    from goldlock.lockcalls.plan_line import PlanError
    from goldlock.lockcalls.words import byte_words

    name = given[1:] if given.startswith("@") else "--fault"
    try:
        text = Path(name).read_text("utf-8-sig") if given.startswith("@") else given
        for kit in kits:
            if not parse_plan(text, byte_words(kit.name, "")):
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
