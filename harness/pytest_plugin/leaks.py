# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell of files that cases left where they should not; a run that has some fails."""

from typing import Any

import pytest
from goldlock.reports.repo_paths import here
from goldlock.runner.leaked_files import LeakedFile
from goldlock.runner.scheduler import Scheduler
from goldlock.text import printable

_MOST = 10
"""Files that are told of, past which only their number is."""
_OUTPUT = "goldlock_leaked"


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
        if session.exitstatus == pytest.ExitCode.OK and any(each.certain for each in self._found):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        cases: dict[tuple[str, bool, str], list[str]] = {}
        for path, numbers, certain, program in sorted(self._found):
            cases.setdefault((path, certain, program), []).extend(numbers)
        for (path, certain, program), names in [*cases.items()][:_MOST]:
            file = LeakedFile(path, (*dict.fromkeys(names),), certain, program)
            colour = {"red": True} if certain else {"yellow": True}
            terminalreporter.write_line(printable(here(str(file))), **colour)
        if len(cases) > _MOST:
            terminalreporter.write_line(f"and {len(cases) - _MOST} more", yellow=True)
