# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that people type: options in, pytest started, an exit status out."""

import argparse
import errno
import gc
import importlib.util
import os
import re
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from goldlock.bootstrap import enter_environment
from goldlock.command_line import (
    NAME_IN_CHECKOUT,
    check_alone,
    check_no_helper,
    groups_in,
    parse,
    split,
)
from goldlock.dialects import known as dialects
from goldlock.dialects.dialect import Asked, Dialect
from goldlock.errors import UsageError
from goldlock.reports import files
from goldlock.runner import shards
from goldlock.runner.signals import Signals
from goldlock.settings import Settings, check_names
from goldlock.suite import choices
from goldlock.suite.cases import Case, Suite
from goldlock.suite.project import cache_folder, find_suite
from goldlock.suite.selection import suite_of
from goldlock.text import count, printable

_HERE = Path(__file__).parent

_SELF_TEST = (
    "runs goldlock's own tests, and takes no {}; '--self-test -- -k WORD' chooses among them"
)

_SWITCH = 0.0002
"""Seconds that pytest may keep the interpreter from threads that have cases to hand out."""

_OF_XDIST = re.compile(r"-n(\d+|auto|logical)?|--(numprocesses|dist)(=.*)?")

_NOT_FOR_CASES = (
    "logging",
    "unraisableexception",
    "threadexception",
    "faulthandler",
    "warnings",
    "doctest",
    "unittest",
)
"""Plugins of pytest that look after tests in this process; cases run in their own."""

_PYTEST = (
    *("-p", "goldlock.pytest_plugin.entry", "-p", "no:goldlock"),  # which is what pip installs
    *("-c", str(Path(__file__).with_name("pytest.ini")), "-v", "-rN", "--no-header"),
    "--noconftest",
    *(f"-pno:{name}" for name in _NOT_FOR_CASES),
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
        choices.settings(parse([*comparison.rest, *build.options], checkout), os.environ, [suite])
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


def _main(arguments: Sequence[str], checkout: Path | None) -> int:
    ours, for_pytest = split(arguments)
    options = parse(ours, checkout)
    check_names(options)
    if checkout and options.self_test:
        check_alone(options, "--self-test", _SELF_TEST)
        enter_environment(checkout, checkout / NAME_IN_CHECKOUT, arguments, tests=True)
        return _self_test(checkout, for_pytest)
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
        _list(cases)
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
    _check_for_pytest(for_pytest)
    whole = options.shard is None and len(cases) == len(suite.cases)
    if options.remove_orphans and not whole:
        raise UsageError("--remove-orphans: not on a run of some cases; run all of them")
    if options.review:
        from goldlock.goldens.review import require_terminal  # only for those who want it

        require_terminal()
    return _run(settings, suite, cases if not whole else None, for_pytest, tap=options.tap_lines)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder: {error.strerror}; go to another first") from None


def _chosen(options: argparse.Namespace, checkout: Path | None) -> tuple[Suite, list[Case]]:
    try:
        return _select(options, checkout)
    except UsageError:
        check_no_helper(options.cases)
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


def _check_for_pytest(words: Sequence[str]) -> None:
    """Raise UsageError for an option of pytest-xdist where there is none; pytest says less."""
    asked = next((word for word in words if _OF_XDIST.fullmatch(word)), None)
    if asked and importlib.util.find_spec("xdist") is None:
        raise UsageError(
            f"-- {asked}: is an option of pytest-xdist, which is not installed; -j N runs N cases"
            " at a time without it"
        )


def _self_test(checkout: Path, for_pytest: Sequence[str]) -> int:
    some = any(Path(word.partition("::")[0]).exists() for word in for_pytest)
    tests = [] if some else [str(checkout / "tests")]
    return _pytest(["-c", str(checkout / "pyproject.toml"), *tests, *for_pytest])


def _run(
    settings: Settings,
    suite: Suite,
    selected: Sequence[Case] | None,
    for_pytest: Sequence[str],
    *,
    tap: bool,
) -> int:
    """Start cases, which takes as long as to import pytest; then pytest, to judge them.

    Without *selected* they are all of the suite.
    """
    began = time.monotonic()
    signals = Signals()
    sys.setswitchinterval(_SWITCH)
    from goldlock.runner.run_context import RunContext  # before the others, which take long

    dialect = dialects.of_kit(suite.kit)
    folder = dialect.collected(suite)
    root = suite.root if dialect.is_ours else folder  # of which pytest tells paths
    cases = suite.cases if selected is None else selected
    context = RunContext(settings, os.environ, cases)
    # These need packages, which may just have been set up, and time, while the programs answer.
    from goldlock.runner.history import in_best_order, read_history
    from goldlock.runner.scheduler import Scheduler

    scheduler = Scheduler(settings, os.environ, context)
    try:
        signals.end_cases_with(scheduler.interrupt)
        # Options for pytest may choose among the cases, or hand them to other processes; and
        # who looks at the terminal is to know which case it is.
        if not (for_pytest or settings.print or settings.gdb):
            one_job = settings.jobs == 1  # it runs them in the order in which they are judged
            scheduler.start(cases if one_job else in_best_order(cases, read_history(root)))
        from goldlock.pytest_plugin.run import Run  # and pytest: now, while cases start

        context.programs(root)
        run = Run(
            settings,
            suites=[suite.root],
            selected={folder: cases},  # and no others: a case may drop some in meanwhile
            orphans=selected is None and dialect.is_ours,
            by_command=True,
            scheduler=scheduler,
            began=began,
        )
        alone = _alone() if not for_pytest or _only_chooses(for_pytest) else []
        words = [*_PYTEST, *_of_suite(root, for_pytest), *for_pytest, *alone, str(folder)]
        status = _pytest(words, [run, *(_tap_lines(settings, dialect) if tap else [])])
        return status or bool(scheduler.unclean)
    finally:
        scheduler.close()


def _tap_lines(settings: Settings, dialect: Dialect) -> list[object]:
    from goldlock.pytest_plugin.tap_lines import TapLines  # few want it

    return [TapLines(lambda name: dialect.name_in_tap(name, settings))]


def _list(cases: Sequence[Case]) -> None:
    """Print a line for each case: its name, its groups, its title."""
    rows = [(case.number, " ".join(case.groups), printable(case.title)) for case in cases]
    names, groups = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    for name, group, title in rows:
        print(f"{name:{names}}  {group:{groups}}  {title}".rstrip())  # noqa: T201 - what was asked for


def _only_chooses(for_pytest: Sequence[str]) -> bool:
    return len(for_pytest) == 2 and for_pytest[0] == "-k"


def _alone() -> list[str]:
    """Let plugins that are there for other tests stay out of it, but for what we need of them."""
    import pytest

    subtests = ["-p", "subtests"] if pytest.version_tuple < (9,) else []
    return ["--disable-plugin-autoload", *subtests]


def _of_suite(root: Path, for_pytest: Sequence[str]) -> list[str]:
    folder = cache_folder(root)
    elsewhere = folder.parent != root and not any("no:cacheprovider" in word for word in for_pytest)
    inside = [f"--rootdir={root}", f"--confcutdir={root}"]  # lest -k finds names of folders above
    return [*inside, *(["-o", f"cache_dir={folder}"] if elsewhere else [])]


def _pytest(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    import pytest  # may not be there before the packages are set up

    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):  # are meant for other tests
        os.environ.pop(name, None)
    gc.freeze()  # what was loaded stays: no collection need look at it
    gc.enable()
    code = pytest.ExitCode
    ours = {code.USAGE_ERROR: 2, code.NO_TESTS_COLLECTED: 2, code.INTERRUPTED: 130}
    status = pytest.main(list(arguments), plugins)
    return int(ours.get(code(status), status))
