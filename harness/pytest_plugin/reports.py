# SPDX-License-Identifier: GPL-2.0-or-later
"""Gathers the results of a run, and has the reports that were asked for written.

It is there only in a run that wants reports, and, with pytest-xdist, only where the workers'
reports come together.
"""

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from goldlock.environment import OUTPUTS
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.run import past_of
from goldlock.pytest_plugin.run_info import run_info
from goldlock.reports import annotations, json_lines
from goldlock.reports.files import Lines, asked, failure, write
from goldlock.reports.repo_paths import here, on_github
from goldlock.result import OtherFailure, Report, RunEnd
from goldlock.runner.history import LastRun
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.programs import Programs

T = TypeVar("T")


class _GitHub:
    """The output of a job, in which GitHub takes no commands but those that are meant.

    Whatever else is shown there, a test's output or a file's name, may look like one.
    """

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self._token = os.urandom(16).hex()
        self._write(f"::stop-commands::{self._token}")

    def command(self, lines: Iterable[str]) -> None:
        """Give commands."""
        self._write(f"::{self._token}::", *lines, f"::stop-commands::{self._token}")

    def end(self) -> None:
        """Let others give commands again."""
        self._write(f"::{self._token}::")

    def _write(self, *lines: str) -> None:
        self._terminal.ensure_newline()
        for line in lines:
            self._terminal.write_line(line)


class Reports:
    """A plugin of pytest. *environ* tells on which service, if any, it runs."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        programs: Programs,
        environ: Mapping[str, str],
    ) -> None:
        self._files = asked(settings.reports)
        self._environ = environ
        self._suite_name = str(config.getini("junit_suite_name"))
        self._prefix = str(config.getoption("junitprefix", None) or "")
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        self._github = _GitHub(terminal) if terminal and on_github(environ) else None
        self._lines: Lines | None = None
        self.faults: list[str] = []
        """Why reports are not whole, a line each; the run has failed then."""
        self._past: Mapping[str, LastRun] = {}
        info = run_info(config.rootpath, settings, programs, environ)
        self._report = Report(info)
        self._began = time.monotonic()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Begin with what is known before any case was judged."""
        self._past = past_of(session.config)
        items = [item for item in session.items if isinstance(getattr(item, "case", None), Case)]
        self._report.run.cases = len(items)
        if path := self._files.get("--json-lines"):
            self._lines = self._attempt(path, Lines, path)
            self._add_line(json_lines.run_start(self._report.run))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if console.section_of(report) is not None:
            return
        if result := console.result_of(report):
            before = self._past.get(result.path)
            result.last = before.seconds if before else None
            if result.started:
                result.started += self._report.run.started - self._began
            self._report.cases.append(result)
            self._add_line(json_lines.case(result))
        elif report.failed:
            path = console.properties_of(report).get(console.ORPHAN, report.nodeid.split("::")[0])
            self._add_other(path, report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._add_other(report.nodeid, report.longreprtext)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Write the reports; should one fail, the run does, too."""
        self._finish(exitstatus)
        others = yield
        if self.faults:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return others

    def _finish(self, exitstatus: int) -> None:
        judged = len(self._report.cases) + len(self._report.others)
        starts = [case.started for case in self._report.cases if case.started]
        began = self._report.run.started
        ahead = began - min([began, *starts])  # cases start while pytest loads
        self._report.end = RunEnd(
            round(time.monotonic() - self._began + ahead, 3),  # of no clock that can be set
            int(exitstatus),
            exitstatus == pytest.ExitCode.INTERRUPTED or judged < self._report.run.cases,
        )
        self._add_line(json_lines.run_end(self._report))
        if self._lines:
            self._lines.close()
        for flag, path in self._files.items():
            if flag != "--json-lines":
                self._attempt(path, write, path, self._document(flag))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was written where, and what GitHub is to annotate."""
        for path in self._files.values() if OUTPUTS not in self._environ else ():
            if not any(str(path) in fault for fault in self.faults):
                terminalreporter.write_line(here(f"written: {path}"))
        for fault in self.faults:
            terminalreporter.write_line(fault, red=True)
        if self._github:
            self._github.command(annotations.github(self._report, self._environ))

    def pytest_unconfigure(self) -> None:
        if self._github:
            self._github.end()

    def _fail(self, path: Path, error: OSError) -> None:
        """Remember that a report could not be written."""
        self.faults.append(failure(path, error))

    def _attempt(self, path: Path, do: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return do(*arguments)
        except OSError as error:
            self._fail(path, error)
            return None

    def _add_other(self, path: str, text: str) -> None:
        other = OtherFailure(str(path), text)
        self._report.others.append(other)
        self._add_line(json_lines.other(other))

    def _add_line(self, line: str) -> None:
        if self._lines:
            try:
                self._lines.write(line)
            except OSError as error:
                self._fail(self._files["--json-lines"], error)
                self._lines = None

    def _document(self, flag: str) -> str:
        """Return the report that an option asks for; its module is loaded now, not for all runs."""
        if flag == "--gitlab-report":
            return annotations.gitlab(self._report, self._environ)
        if flag == "--junit-xml":
            from goldlock.reports import junit

            return junit.document(self._report, name=self._suite_name, prefix=self._prefix)
        if flag == "--tap":
            from goldlock.reports import tap

            return tap.document(self._report)
        from goldlock.reports import html  # the largest of all

        return html.document(self._report)
