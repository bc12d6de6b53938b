# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins what a run tells: the console for all, and what else is asked for, each loaded then."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence

import pytest
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.run import RUN, past_of
from goldlock.reports.repo_paths import on_github
from goldlock.settings import Settings
from goldlock.suite.programs import Programs


def start(
    config: pytest.Config,
    settings: Settings,
    programs: Programs,
    running: Callable[[], Sequence[str]],
    notes: Iterable[str] = (),
) -> None:
    """Say what is under test, and *notes*; register who tells the rest.

    *running* tells the numbers of the cases that run. Not for a worker of pytest-xdist.
    """
    manager = config.pluginmanager
    if reporter := manager.get_plugin("terminalreporter"):
        for line in (*programs.heading, *notes):
            reporter.write_line(line)
        titles = config.get_verbosity() > config.stash[RUN].by_command  # which adds one -v
        manager.register(console.AfterLine(reporter, titles=titles), "goldlock-after-line")
        if _somebody_waits(config):
            from goldlock.pytest_plugin.progress import Progress

            width, past = config.get_terminal_writer().fullwidth, past_of(config)
            where = (sys.stdout, width, config.rootpath)
            manager.register(Progress(*where, settings.jobs, running, past), "goldlock-progress")
    if (settings.reports or on_github(os.environ)) and not config.option.collectonly:
        from goldlock.pytest_plugin.reports import Reports

        manager.register(Reports(config, settings, programs, os.environ), "goldlock-reports")


def _somebody_waits(config: pytest.Config) -> bool:
    """Tell whether a person sees each case's line: not in a pipe, nor at a dumb terminal."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return terminal and config.get_verbosity() > 0 and not config.getoption("numprocesses", None)
