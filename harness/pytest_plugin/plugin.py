# SPDX-License-Identifier: GPL-2.0-or-later
"""A run, hook by hook: what is made and told at its begin, which cases are started, its end."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from goldlock import atomic_file
from goldlock.errors import UsageError
from goldlock.pytest_plugin import collection, console, leaks
from goldlock.pytest_plugin.item import CaseItem
from goldlock.pytest_plugin.memory import Past, RanBefore
from goldlock.pytest_plugin.run import RUN, SCHEDULER, UNSOUND, history_file, past_of, say
from goldlock.reports import files
from goldlock.reports.repo_paths import here, on_github
from goldlock.runner.scheduler import Scheduler
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.programs import Programs
from goldlock.text import printable


def pytest_configure(config: pytest.Config) -> None:
    """Make what runs the cases, unless cases run already."""
    run = config.stash[RUN]
    config.stash[SCHEDULER] = run.scheduler or Scheduler(run.settings, os.environ)
    config.pluginmanager.register(console.Summary(), "goldlock-summary")
    config.pluginmanager.register(leaks.Leaks(config.stash[SCHEDULER]), leaks.NAME)
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(Past(config), "goldlock-past")
    config.pluginmanager.register(RanBefore(config), "goldlock-ran-before")
    try:
        _check_xdist(config)
        _check_until_fail(config, run.settings)
        if run.settings.review:
            _prepare_review(config, run.settings, plain=not run.by_command)
    except UsageError as error:
        raise pytest.UsageError(printable(str(error))) from None


def _is_distributed(config: pytest.Config) -> bool:
    """Tell whether workers of pytest-xdist run the tests."""
    distribution: str = config.getoption("dist", "no")
    return distribution != "no"


def _check_xdist(config: pytest.Config) -> None:
    root = str(config.rootpath)
    is_utf_8 = root.encode(errors="replace") == os.fsencode(root)
    if _is_distributed(config) and not is_utf_8:
        raise UsageError(
            f"pytest-xdist (-n) takes no path that is not UTF-8: {printable(root)};"
            " -j runs cases side by side, too"
        )


def _check_until_fail(config: pytest.Config, settings: Settings) -> None:
    """Refuse what would not end: no worker of pytest-xdist knows that a case of another failed."""
    if settings.until_fail and _is_distributed(config):
        raise UsageError(
            "--until-fail: not with pytest-xdist (-n); -j runs cases side by side, too"
        )


def _prepare_review(config: pytest.Config, settings: Settings, *, plain: bool) -> None:
    from goldlock.goldens import review
    from goldlock.pytest_plugin import review_at_end  # only for those who want it

    if _is_distributed(config):
        raise UsageError("--review: not with pytest-xdist (-n); -j runs cases side by side, too")
    if plain:  # the command has looked already, before pytest put a file in the terminal's place
        review.require_terminal("; pytest itself needs -s for that")
    config.pluginmanager.register(review_at_end.ReviewAtEnd(force=settings.force))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the cases that are to be judged; a worker of pytest-xdist is told one at a time."""
    options = session.config.option
    ends = session.testsfailed and not options.continue_on_collection_errors
    if not (hasattr(session.config, "workerinput") or _runs_nothing(session.config) or ends):
        _clear_temporary_files(session)
        scheduler = session.config.stash[SCHEDULER]
        items = [item for item in session.items if isinstance(item, CaseItem)]
        cases = [item.case for item in items if not item.is_marked]  # others once they are judged
        if scheduler.settings.update and options.maxfail:
            return  # each once it is judged, lest goldens are written past the failure that ends it
        scheduler.start_all(cases, past_of(session.config))


def _clear_temporary_files(session: pytest.Session) -> None:
    """Remove what runs that were killed have left half written, and name it."""
    cases = [item.case for item in session.items if isinstance(item, CaseItem)]
    folders = {folder for case in cases for folder in (case.root, case.expected, case.path.parent)}
    config = session.config
    folders |= {path.parent for path in files.asked(config.stash[RUN].settings.reports).values()}
    if getattr(config, "cache", None):
        folders.add(history_file(config).parent)
    for path in sorted(path for folder in folders for path in atomic_file.clear(folder)):
        say(config, f"cleared, left by a run that was killed: {path}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Call cases that are not sound a wrong use, where to pytest they are an interruption."""
    unsound = session.config.stash.get(UNSOUND, set())
    interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
    by_command = session.config.stash[RUN].by_command
    if interrupted and unsound and len(unsound) == session.testsfailed:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    elif by_command and interrupted and session.shouldstop and session.testsfailed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    scheduler = config.stash[SCHEDULER]
    if unfinished := scheduler.unfinished():
        terminalreporter.write_line(f"not finished: {'; '.join(unfinished)}", yellow=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if scheduler := config.stash.get(SCHEDULER, None):
        scheduler.close()
        for line in scheduler.unclean:
            print(printable(here(line)), file=sys.stderr)  # noqa: T201 - pytest has said all


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is under test, also where pytest's own header is switched off."""
    for line in collection.not_found(session.config):
        say(session.config, line)
    run = session.config.stash[RUN]
    if run.by_command or _is_distributed(session.config):  # which collects elsewhere
        _begin(session.config, run.cases)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: Sequence[pytest.Item]) -> None:
    """In a project, say so only if there are cases among the tests."""
    config = session.config
    known = config.stash[RUN].by_command or _runs_nothing(config)
    cases = [item.case for item in items if isinstance(item, CaseItem)]
    if cases and not known:
        _begin(config, lambda: cases)


def _begin(config: pytest.Config, find_cases: Callable[[], Sequence[Case]]) -> None:
    """Say what the cases are to be run with."""
    scheduler = config.stash[SCHEDULER]
    try:
        programs = scheduler.context.programs_of(find_cases())
    except UsageError as error:
        raise pytest.UsageError(printable(str(error))) from None
    if not hasattr(config, "workerinput"):
        _tell(config, scheduler, programs)


def _tell(config: pytest.Config, scheduler: Scheduler, programs: Programs) -> None:
    """Say what is under test; register who tells the rest, each loaded only then."""
    settings = scheduler.settings
    manager = config.pluginmanager
    if reporter := manager.get_plugin("terminalreporter"):
        for line in (*programs.heading, *scheduler.context.notes):
            reporter.write_line(printable(line))
        titles = config.get_verbosity() > config.stash[RUN].by_command  # which adds one -v
        manager.register(console.AfterLine(reporter, titles=titles), "goldlock-after-line")
        if _somebody_waits(config):
            from goldlock.pytest_plugin.progress import Progress

            manager.register(Progress(config, scheduler), "goldlock-progress")
    if (settings.reports or on_github(os.environ)) and not _runs_nothing(config):
        from goldlock.pytest_plugin.reports import Reports

        manager.register(Reports(config, settings, programs, os.environ), "goldlock-reports")


def _runs_nothing(config: pytest.Config) -> bool:
    """Tell whether pytest only shows what there is: --collect-only, --setup-only, --setup-plan."""
    return bool(config.option.collectonly or config.getoption("setuponly", default=False))


def _somebody_waits(config: pytest.Config) -> bool:
    """Tell whether a person sees each case's line: not in a pipe, nor at a dumb terminal."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return terminal and config.get_verbosity() > 0 and not config.getoption("numprocesses", None)
