# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell of files that cases left where they should not; a run fails where those matter."""

from typing import Any

import pytest
from goldlock.reports.repo_paths import here
from goldlock.runner.leaked_files import LeakedFile
from goldlock.runner.scheduler import Scheduler
from goldlock.text import printable

_MOST = 10
"""Files that are told of, past which only their number is."""
_OUTPUT = "goldlock_leaked"

NAME = "goldlock-leaks"
"""What pytest calls the plugin."""


class Leaks:
    """A plugin that tells of them at the end, also of those that workers of pytest-xdist saw."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._found: list[LeakedFile] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take down what a worker of pytest-xdist saw."""
        output: dict[str, Any] = getattr(node, "workeroutput", None) or {}  # one that died has none
        self._found += [LeakedFile(*each) for each in output.get(_OUTPUT, ())]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._found += self._scheduler.leaked()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = [tuple(each) for each in self._found]
        if session.exitstatus == pytest.ExitCode.OK and self.failures():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def failures(self) -> int:
        """Return how many of them make the run fail."""
        return sum(each.fails for each in self._found)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line, colour in self.lines():
            terminalreporter.write_line(line, **{colour: True})

    def lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, each line with its colour."""
        made = {each.path for each in self._found if each.program}
        cases: dict[LeakedFile, list[str]] = {}
        for each in sorted(self._found):
            if each.program or each.path not in made:  # else another worker saw it, and guessed
                cases.setdefault(each._replace(cases=()), []).extend(each.cases)
        found = [file._replace(cases=(*dict.fromkeys(of),)) for file, of in cases.items()]
        said = [
            (printable(here(str(file))), "red" if file.fails else "yellow")
            for file in found[:_MOST]
        ]
        more = len(found) - _MOST
        return [*said, *([(f"and {more} more", "yellow")] if more > 0 else [])]
