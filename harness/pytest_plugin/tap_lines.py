# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP to standard output as cases are judged, and nothing else there: what is wrong goes to stderr.

What pytest itself has to say is dropped.
"""

import os
import sys
from collections.abc import Callable

import pytest
from goldlock.pytest_plugin import console, leaks
from goldlock.pytest_plugin.item import CaseItem
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State
from goldlock.text import for_tap, for_terminal


class TapLines:
    """A plugin of pytest; *name_of* returns what a case is called in its line."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of
        sys.stdout.flush()
        self._out = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Say how many there are."""
        self._say(f"1..{sum(isinstance(item, CaseItem) for item in session.items)}")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say what came of a case; what else has failed, such as a golden without one, is wrong."""
        if result := console.result_of(report):
            self._tell(result)
        elif report.failed and console.section_of(report) is None:
            _complain(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            _complain(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        _complain(str(excrepr))

    def pytest_terminal_summary(self, config: pytest.Config) -> None:
        """Say what was left where it should not be, and which report is not whole."""
        leaked = config.pluginmanager.get_plugin(leaks.NAME)
        told = config.pluginmanager.get_plugin("goldlock-reports")  # which few runs have
        lines = [line for line, _ in leaked.lines()] if leaked else []
        for line in [*lines, *(told.faults if told else [])]:
            _complain(line)

    def _tell(self, result: CaseResult) -> None:
        name = for_tap(self._name_of(result.name))
        self._say(f"# running {name}")
        if result.state is State.FAILED:
            texts = [*(section.text for section in result.failing), *result.problems]
            _complain("\n".join(texts))
        word = "not ok" if result.state is State.FAILED else "ok"
        skip = f" # SKIP {for_tap(result.reason)}" if result.state is State.NOT_RUN else ""
        self._say(f"{word} {name}{skip}")
        for text in (*result.skipped, *result.notes, *result.about_runs[:1]):
            self._say(f"# {for_tap(text)}")

    def _say(self, line: str) -> None:
        os.write(self._out, f"{line}\n".encode("utf-8", "replace"))


def _complain(text: str) -> None:
    os.write(2, f"{for_terminal(here(text))}\n".encode("utf-8", "replace"))
