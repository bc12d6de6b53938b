# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that people type: options in, an exit status out."""

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from goldlock.bootstrap import enter_environment
from goldlock.command_line import (
    COLOR,
    NAME_IN_CHECKOUT,
    check_alone,
    check_no_helper,
    groups_in,
    parse,
    split,
)
from goldlock.dialects import known as dialects
from goldlock.dialects.dialect import Asked
from goldlock.errors import NotFoundError, UsageError
from goldlock.pytest_plugin import run_pytest
from goldlock.reports import files
from goldlock.runner import shards
from goldlock.suite import choices
from goldlock.suite.cases import Case, Suite
from goldlock.suite.project import find_suite
from goldlock.suite.selection import suite_of
from goldlock.text import count, printable

_HERE = Path(__file__).parent

_SELF_TEST = (
    "runs goldlock's own tests, and takes no {}; '--self-test -- -k WORD' chooses among them"
)


def main(arguments: Sequence[str], checkout: Path | None = None) -> int:
    """Do what *arguments* ask for; return the exit status.

    *checkout* is the folder of the ``run_tests.py`` that was started, if it was that.
    """
    _open_standard_files()
    name = NAME_IN_CHECKOUT if checkout else "goldlock"
    try:
        status = _main(arguments, checkout)
        sys.stdout.flush()  # here, where it is told if that fails
        return status
    except UsageError as error:
        print(f"{name}: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - to the person who started it
        return 2
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        print(f"{name}: too little memory (ulimit -v)", file=sys.stderr)  # noqa: T201 - as above
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        ours = Path(last).is_relative_to(_HERE) and last != __file__
        no_room = error.errno == errno.ENOSPC and not (error.filename or ours)
        said = _no_output(error) if no_room else _of_system(error)
        print(f"{name}: {printable(said)}", file=sys.stderr)  # noqa: T201 - as above
        return 1 if no_room else 2


def _no_output(error: OSError) -> str:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return f"the output cannot be written: {error.strerror}"


def _of_system(error: OSError) -> str:
    """Say in one line what the system has refused, and what was asked of it."""
    if error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    frames = traceback.extract_tb(error.__traceback__)
    where = [each for each in frames if Path(each.filename).is_relative_to(_HERE)][-1]
    return f"{error.strerror}, in {Path(where.filename).name}:{where.lineno}: {where.line}"


def _names_builds(arguments: Sequence[str]) -> bool:
    """Tell whether *arguments* name several builds to compare."""
    flags = [word.partition("=")[0] for word in arguments]
    return flags.count("--build") > 1 or "--matrix" in flags or "--bisect" in flags


def _run_builds(
    arguments: Sequence[str], options: argparse.Namespace, suite: Path, checkout: Path | None
) -> int:
    from goldlock import matrix  # few runs compare

    ours, for_pytest = split(arguments)
    comparison = matrix.asked(ours, options)
    for build in comparison.builds:
        each = parse([*comparison.rest, *build.options], checkout)
        each.html = options.html  # not in the rest, and no case's file, either
        choices.settings(each, os.environ, [suite])
    if checkout:
        enter_environment(checkout, checkout / NAME_IN_CHECKOUT, arguments, tests=False)
    reading = dialects.of_folder(suite).reading
    return matrix.main(comparison, [sys.executable, sys.argv[0]], for_pytest, reading)


def _open_standard_files() -> None:
    """Let no other file take the place of a standard one that was closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):  # titles and paths may have what it cannot say
        sys.stdout.reconfigure(errors="backslashreplace")


def _main(arguments: Sequence[str], checkout: Path | None) -> int:
    ours, for_pytest = split(arguments)
    options = parse(ours, checkout)
    choices.check_names(options)
    if checkout and options.self_test:
        check_alone(options, "--self-test", _SELF_TEST)
        enter_environment(checkout, checkout / NAME_IN_CHECKOUT, arguments, tests=True)
        return run_pytest.self_test(checkout, for_pytest)
    if options.new:
        from goldlock.suite.new import new_suite  # once in the life of a suite

        check_alone(options, "--new", "makes a suite, runs nothing, and takes no {}")
        print(new_suite(Path(options.new)), end="")  # noqa: T201 - what was asked for
        return 0
    suite, cases = _chosen(options, checkout)
    if _names_builds(ours):
        return _run_builds(arguments, options, suite.root, checkout)
    cases = _shard(options, suite, cases)
    if options.list:
        listed = dialects.of_kit(suite.kit).listed(suite, cases, options)
        _list(listed, names_only=options.tap_lines)
    if options.list or not cases:
        return 0
    settings = choices.settings(options, os.environ, [suite.root])
    files.check(settings.reports)
    if checkout:
        enter_environment(checkout, checkout / NAME_IN_CHECKOUT, arguments, tests=False)
    is_ours = dialects.of_kit(suite.kit).is_ours
    if for_pytest and not (is_ours or for_pytest[0].startswith("-")):
        from goldlock.runner.one_command import run_command  # few want one

        return run_command(for_pytest, settings, suite, os.environ)
    run_pytest.check_words(for_pytest)
    whole = options.shard is None and len(cases) == len(suite.cases)
    if options.remove_orphans and not whole:
        raise UsageError("--remove-orphans: not on a run of some cases; run all of them")
    if options.review:
        from goldlock.goldens.review import require_terminal  # only for those who want it

        require_terminal()
    selected = None if whole else cases
    told = run_pytest.Told(options.tap_lines, COLOR[options.color])
    return run_pytest.run_suite(settings, suite, selected, for_pytest, told)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder: {error.strerror}; go to another first") from None


def _chosen(options: argparse.Namespace, checkout: Path | None) -> tuple[Suite, list[Case]]:
    try:
        return _select(options, checkout)
    except NotFoundError as error:
        check_no_helper([error.word] if error.word else options.cases)
        raise


def _select(options: argparse.Namespace, checkout: Path | None) -> tuple[Suite, list[Case]]:
    here = _here()
    of_cases = {suite_of(word) for word in options.cases} if options.suite is None else set()
    folder = of_cases.pop() if len(of_cases) == 1 else None
    folder = folder or find_suite(options.suite, here, checkout)
    dialect = dialects.of_folder(folder)
    suite = dialect.read(folder)
    if not suite.cases:
        where = dialect.collected(suite)
        raise UsageError(f"{where}: no cases; a case is a file called 001.py, or 001")
    groups, excluded = groups_in(options.groups), groups_in(options.exclude)
    cases = dialect.select(suite, Asked(options.cases, groups, excluded, options.start_from))
    if not cases:
        raise UsageError("no case is left: the options exclude all")
    return suite, cases


def _shard(options: argparse.Namespace, suite: Suite, cases: list[Case]) -> list[Case]:
    if options.store_durations:
        shards.read_durations(suite.root)  # what is damaged is not found out after the run
    if options.shard is None:
        return cases
    index, number = shards.parse(options.shard)
    part = shards.shard(cases, index, number, shards.read_durations(suite.root))
    of = f"{len(part) or 'none'} of {count(len(cases), 'case')}"
    print(f"shard {index}/{number}: {of}", flush=True)  # noqa: T201 - says what is left out
    return part


def _list(cases: Sequence[Case], *, names_only: bool) -> None:
    """Print a line for each case: its name, its groups, its title; or what meson asks for."""
    if names_only:
        print("\n".join(case.name for case in cases))  # noqa: T201 - what was asked for
        return
    rows = [(case.name, " ".join(case.groups), printable(case.title)) for case in cases]
    names, groups = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    for name, group, title in rows:
        print(f"{name:{names}}  {group:{groups}}  {title}".rstrip())  # noqa: T201 - what was asked for
