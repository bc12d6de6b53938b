# SPDX-License-Identifier: GPL-2.0-or-later
"""The review at the end of a run, when pytest has judged all cases and said so."""

from typing import Any

import pytest
from goldlock.goldens import review
from goldlock.pytest_plugin.console import Explanation
from goldlock.reports.repo_paths import here
from goldlock.result import State
from goldlock.text import count


class ReviewAtEnd:
    """Walks through what differs, and lets the run succeed when all of it was accepted."""

    def __init__(self, *, force: bool) -> None:
        self._force = force
        self._failed: set[str] = set()
        self._session: pytest.Session | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Ask. All that pytest has to say was said."""
        session = self._session
        if session is None or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
            return
        differing = {
            item.nodeid: result
            for item in session.items
            if (result := getattr(item, "judged", None)) and result.state is State.FAILED
        }
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture:
            capture.suspend(in_=True)  # standard input is empty while tests run
        tw = config.get_terminal_writer()
        tw.line()
        tw.sep("=", "review")
        try:
            done = review.run(
                [*differing.values()], lambda text: _show(tw, text), force=self._force
            )
        except KeyboardInterrupt:
            tw.line("\ninterrupted: the golden of the case at hand is as it was")
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            return
        settled = {id_ for id_, each in differing.items() if each.name in done.accepted}
        left = self._failed - settled
        tw.line()
        tw.line(f"{count(len(done.written), 'golden')} written, {len(left)} still to mend")
        if not left:
            session.exitstatus = pytest.ExitCode.OK


def _show(tw: Any, text: str) -> None:
    """Show what a review says: prompts stay on their line."""
    if text == review.PROMPT:
        tw.write(text, flush=True)
    else:
        Explanation(here(text)).toterminal(tw)
