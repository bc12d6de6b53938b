# SPDX-License-Identifier: GPL-2.0-or-later
"""How the command runs pytest: to judge cases, which run ahead of it, or for goldlock's own tests.

pytest is loaded where it is started: before that, its packages may have to be set up.
"""

import gc
import importlib.util
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock.dialects import known as dialects
from goldlock.errors import UsageError
from goldlock.runner.signals import Signals
from goldlock.settings import Settings
from goldlock.suite.cases import Case, Suite
from goldlock.suite.project import cache_folder, tidy_cache

_SWITCH = 0.0002
"""Seconds that pytest may keep the interpreter from threads that have cases to hand out."""

_OF_XDIST = re.compile(r"-n(\d+|auto|logical)?|--(numprocesses|dist)(=.*)?")

_NOT_FOR_CASES = (
    *("logging", "unraisableexception", "threadexception", "faulthandler", "warnings"),
    *("doctest", "unittest"),
)
"""Plugins of pytest that look after tests in this process; cases run in their own."""

_PYTEST = (
    *("-p", "goldlock.pytest_plugin.entry", "-p", "no:goldlock"),  # which is what pip installs
    *("-c", str(Path(__file__).parent.with_name("pytest.ini")), "-v", "-rN", "--no-header"),
    "--noconftest",
    *(f"-pno:{name}" for name in _NOT_FOR_CASES),
)


def check_words(words: Sequence[str]) -> None:
    """Raise UsageError for an option that would not be heeded, or of pytest-xdist without it."""
    if ours := next((word for word in words if word.startswith("--goldlock-")), None):
        flag = ours.replace("goldlock-", "", 1).partition("=")[0]
        raise UsageError(f"-- {ours}: is {flag} here, and stands before --")
    asked = next((word for word in words if _OF_XDIST.fullmatch(word)), None)
    if asked and importlib.util.find_spec("xdist") is None:
        raise UsageError(
            f"-- {asked}: is an option of pytest-xdist, which is not installed; -j N runs N cases"
            " at a time without it"
        )


def self_test(checkout: Path, for_pytest: Sequence[str]) -> int:
    """Run goldlock's own tests, or those that are named; return the exit status."""
    some = any(Path(word.partition("::")[0]).exists() for word in for_pytest)
    tests = [] if some else [str(checkout / "tests")]
    return _pytest(["-c", str(checkout / "pyproject.toml"), *tests, *for_pytest])


class Told(NamedTuple):
    """How a run is told: with *tap*, in lines of TAP and no others; *color* as pytest takes it."""

    tap: bool
    color: str


def run_suite(
    settings: Settings,
    suite: Suite,
    selected: Sequence[Case] | None,
    for_pytest: Sequence[str],
    told: Told,
) -> int:
    """Start cases, which takes as long as to import pytest; then pytest, to judge them.

    Without *selected* they are all of the suite. Returns the exit status.
    """
    began = time.monotonic()
    signals = Signals()
    sys.setswitchinterval(_SWITCH)
    from goldlock.runner.run_context import RunContext  # before the others, which take long

    dialect = dialects.of_kit(suite.kit)
    folder = dialect.collected(suite)
    root = suite.root if dialect.is_ours else folder  # of which pytest tells paths
    where = _as_argument(folder)
    cases = suite.cases if selected is None else selected
    context = RunContext(settings, os.environ, cases)
    # These need packages, which may just have been set up, and time, while the programs answer.
    from goldlock.runner.history import read_history
    from goldlock.runner.scheduler import Scheduler

    scheduler = Scheduler(settings, os.environ, context)
    try:
        signals.end_cases_with(scheduler.interrupt)
        # Options for pytest may choose among the cases, or hand them to other processes; and
        # who looks at the terminal is to know which case it is.
        if not (for_pytest or settings.print or settings.gdb):
            scheduler.start_all(cases, read_history(root))
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
        plugins: list[object] = [run]
        if told.tap:
            from goldlock.pytest_plugin.tap_lines import TapLines  # few want it

            plugins.append(TapLines(lambda name: dialect.name_in_tap(name, settings)))
        alone = _alone() if not for_pytest or _only_chooses(for_pytest) else []
        words = [*_PYTEST, f"--color={told.color}", *_of_suite(root, for_pytest)]
        words += [*for_pytest, *alone, where]
        status = _pytest(words, plugins)
        tidy_cache(root)
        return status or bool(scheduler.unclean)
    finally:
        scheduler.close()


def _as_argument(folder: Path) -> str:
    """Return a folder by a path that pytest takes; raise UsageError where there is none."""
    for path in (str(folder), os.path.relpath(folder)):
        if "[" not in path and "::" not in path:
            return path
    raise UsageError(
        f"{folder}: pytest takes no path with '[' or '::' in it; start it from a folder below that"
    )


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
