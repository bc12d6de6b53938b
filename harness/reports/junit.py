# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit XML by pytest's own writer, with the sections of cases as its test cases.

pytest writes a test case for each test, and the failures of its subtests into that one, while
those that pass are only counted. Here each section is one, and so is the rest of a case: that it
came to its end, in time, and left nothing behind. That one has the case's time, as nobody
measures sections; the class name of all is ``SUITE.CASE``.

To that end pytest's writer is taken out of the hooks, and is told of sections as if they were
tests. What of it is not public: its class is found by name (``LogXML``), its
``node_reporter(...).add_attribute``, which the fixture ``record_xml_attribute`` uses, gives a
test case its name, and ``logfile`` is where it writes. Its hooks are pytest's documented ones.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.reports import Reports
from goldlock.reports.files import beside_of
from goldlock.reports.record import CaseRecord, flaky
from goldlock.reports.repo_paths import here

WHOLE = "comes to its end, and leaves nothing behind"
"""The name of the test case that stands for what is not in any section."""


class _Text(str):
    """The text of a failure; its first line is the message, as that of an exception."""

    __slots__ = ()

    @property
    def reprcrash(self) -> SimpleNamespace:
        return SimpleNamespace(message=self.partition("\n")[0])


def _failure(record: CaseRecord, text: str) -> str:
    """Return the text of a failure, with how often it was, and what is left to look at."""
    if not text:
        return ""
    often = flaky(record)
    kept = f"\n{console.kept(record['kept'])}" if record["kept"] else ""
    return f"{often}: {text}{kept}" if often else f"{text}{kept}"


def install(config: pytest.Config, reports: Reports) -> None:
    """Stand in for pytest's writer of JUnit XML, if there is one."""
    manager = config.pluginmanager
    writer = next((each for each in manager.get_plugins() if type(each).__name__ == "LogXML"), None)
    if writer:
        manager.unregister(writer)
        manager.register(_Sections(config.rootpath.name, writer, reports), "goldlock-junit")


class _Sections:
    """The hooks of pytest's writer, with each section as a test."""

    def __init__(self, suite: str, writer: Any, reports: Reports) -> None:
        self._suite = suite
        self._writer = writer
        self._reports = reports
        self._number = 0
        self.pytest_collectreport = writer.pytest_collectreport
        self.pytest_internalerror = writer.pytest_internalerror

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = console.properties_of(report)
        record: CaseRecord | None = properties.get(console.RECORD)
        ours = {console.CASE, console.ORPHAN} & properties.keys()
        if console.section_of(report) is not None:
            return
        if report.when == "call" and record:
            self._add_case(record)
        elif report.when == "call" and console.ORPHAN in properties:
            golden = properties[console.ORPHAN]
            self._add(f"{self._suite}.expected", Path(golden).name, golden, report.longreprtext)
        elif not (report.passed and (report.when == "setup" or ours)):
            self._writer.pytest_runtest_logreport(report)

    def _add_case(self, record: CaseRecord) -> None:
        name, path = f"{self._suite}.{record['number']}", record["path"]
        for section in record["sections"]:
            self._add(name, section["title"], path, _failure(record, section["text"]))
        what = _failure(record, "\n".join(record["problems"]))
        self._add(name, WHOLE, path, what, record["reason"], record["seconds"])

    def _add(  # noqa: PLR0913, PLR0917 - what a test case has
        self,
        class_name: str,
        name: str,
        path: str,
        failure: str = "",
        reason: str = "",
        seconds: float = 0.0,
    ) -> None:
        """Have pytest write a test case: one that failed, was skipped for a reason, or passed."""
        self._number += 1  # an identity is enough; names may come twice, and may hold anything
        outcome = "failed" if failure else "skipped" if reason else "passed"
        skipped = (path, 1, f"Skipped: {reason}")
        said = _Text(here(failure)) if failure else skipped if reason else None
        call = self._report(path, outcome, "call", said, seconds)
        self._writer.pytest_runtest_logreport(call)
        attributes = self._writer.node_reporter(call)
        prefix = f"{self._writer.prefix}." if self._writer.prefix else ""
        attributes.add_attribute("classname", f"{prefix}{class_name}")
        attributes.add_attribute("name", name)
        self._writer.pytest_runtest_logreport(self._report(path, "passed", "teardown", None, 0))

    def _report(
        self, path: str, outcome: Any, when: Any, said: Any, seconds: float
    ) -> pytest.TestReport:
        identity = f"{path}::{self._number}"
        place = (path, None, identity)
        return pytest.TestReport(identity, place, {}, outcome, said, when, duration=seconds)

    def pytest_sessionfinish(self) -> None:
        """Have the file written beside its place, and put it there when it is whole."""
        path = Path(self._writer.logfile)
        beside = beside_of(path)
        self._writer.logfile = str(path if path.exists() and not path.is_file() else beside)
        try:
            self._writer.pytest_sessionfinish()
            if self._writer.logfile == str(beside):
                beside.replace(path.resolve())
        except OSError as error:
            self._reports.fail(path, error)
        finally:
            self._writer.logfile = str(path)
            beside.unlink(missing_ok=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Put it back to where pytest takes it out itself."""
        config.pluginmanager.register(self._writer)
