# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP to standard output as cases are judged, and nothing else there: what is wrong goes to stderr.

What pytest itself has to say is dropped.
"""

import os
import sys
from collections.abc import Callable

import pytest
from goldlock.pytest_plugin import console
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
        self._say(f"1..{len(session.items)}")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say what came of a case."""
        if result := console.result_of(report):
            self._tell(result)

    def _tell(self, result: CaseResult) -> None:
        name = for_tap(self._name_of(result.name))
        self._say(f"# running {name}")
        if result.state is State.FAILED:
            texts = [*(section.text for section in result.failing), *result.problems]
            os.write(2, for_terminal(here("\n".join([*texts, ""]))).encode("utf-8", "replace"))
        word = "not ok" if result.state is State.FAILED else "ok"
        skip = f" # SKIP {for_tap(result.reason)}" if result.state is State.NOT_RUN else ""
        self._say(f"{word} {name}{skip}")
        for text in (*result.skipped, *result.notes, *result.about_runs[:1]):
            self._say(f"# {for_tap(text)}")

    def _say(self, line: str) -> None:
        os.write(self._out, f"{line}\n".encode("utf-8", "replace"))
