# SPDX-License-Identifier: GPL-2.0-or-later
"""The review at the end of a run, when pytest has judged all cases and said so."""

from typing import Any

import pytest
from goldlock.dialects import known as dialects
from goldlock.goldens import review
from goldlock.goldens.compare import Reading
from goldlock.pytest_plugin import leaks
from goldlock.pytest_plugin.console import Explanation
from goldlock.pytest_plugin.item import CaseItem
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State
from goldlock.text import count


class ReviewAtEnd:
    """Walks through what differs; the run succeeds where nothing else has failed.

    That is any failure that pytest counts, of other tests, too, and files that cases leaked.
    """

    def __init__(self, *, force: bool) -> None:
        self._force = force
        self._failed: list[str] = []
        """The node id of each report of a failure."""
        self._session: pytest.Session | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not hasattr(report, "wasxfail"):  # as pytest counts them
            self._failed.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Ask. All that pytest has to say was said."""
        session = self._session
        if session is None or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
            return
        differing, readings = self._differing(session)
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture:
            capture.suspend(in_=True)  # standard input is empty while tests run
        tw = config.get_terminal_writer()
        tw.line()
        tw.sep("=", "review")
        try:
            done = review.run(
                [*differing.values()], lambda text: _show(tw, text), readings, force=self._force
            )
        except KeyboardInterrupt:
            tw.line("\ninterrupted: the golden of the case at hand is as it was")
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            return
        settled = {id_ for id_, each in differing.items() if each.path in done.accepted}
        others = session.testsfailed - len(self._failed)  # what could not be collected, say
        leaked = config.pluginmanager.getplugin(leaks.NAME).failures()
        left = len({*self._failed} - settled) + others + leaked
        tw.line()
        tw.line(f"{count(len(done.written), 'golden')} written, {left} still to mend")
        if not left:
            session.exitstatus = pytest.ExitCode.OK

    @staticmethod
    def _differing(session: pytest.Session) -> tuple[dict[str, CaseResult], dict[str, Reading]]:
        """Return what failed, by the ids of its nodes, and how it is read, by paths of cases."""
        differing, readings = {}, {}
        for item in session.items:
            if not isinstance(item, CaseItem):
                continue
            if item.judged and item.judged.state is State.FAILED:
                differing[item.nodeid] = item.judged
                readings[item.judged.path] = dialects.of_kit(item.case.kit).reading
        return differing, readings


def _show(tw: Any, text: str) -> None:
    """Show what a review says: prompts stay on their line."""
    if text == review.PROMPT:
        tw.write(text, flush=True)
    else:
        Explanation(here(text)).toterminal(tw)
