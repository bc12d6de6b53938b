# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run says: pytest's own reporters, with our words.

Reports of sections that are as expected are not shown; what a run came to is counted here,
since pytest 8 and 9 count subtests differently.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from goldlock.pytest_plugin.run import RUN, past_of
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State, share_of_runs
from goldlock.runner.history import LastRun
from goldlock.text import count, printable

CASE = "goldlock"
"""The user property that marks a report as one of a case, or of a section; a number."""

ORPHAN = "goldlock-orphan"
"""The user property of a report of a golden without a case: its path."""

RESULT = "goldlock-result"
"""The user property of a case's report with the result of the case, as plain data."""

SLOWEST = 3
"""Slow cases that are named unasked, ..."""

HANDFUL = 5
"""... in a run of more cases than these, ..."""

SLOW = 0.5
"""... if they took more seconds than this."""


class Explanation(str):
    """The text of a failure; a plain string for reports, in colours on a terminal."""

    __slots__ = ()

    def toterminal(self, tw: Any) -> None:
        """Write it to pytest's terminal writer."""
        colours: Mapping[str, dict[str, bool]] = {
            "-": {"red": True},
            "+": {"green": True},
            "?": {"yellow": True},
        }
        for line in self.split("\n"):
            tw.line(printable(line), **colours.get(line[:2].strip(), {}))


def properties_of(report: pytest.TestReport) -> dict[str, Any]:
    """Return what a case has told with its report."""
    return dict(report.user_properties)


def result_of(report: pytest.TestReport) -> CaseResult | None:
    """Return the result that a case's own report carries; None for any other report."""
    return _read(report) if report.when == "call" and section_of(report) is None else None


@lru_cache(maxsize=1)  # several want that of the report at hand
def _read(report: pytest.TestReport) -> CaseResult | None:
    data = properties_of(report).get(RESULT)
    return CaseResult.from_dict(data) if data else None


def section_of(report: pytest.TestReport) -> str | None:
    """Return the title of the section that a report is about; None for a case's own."""
    context = getattr(report, "context", None)  # of a subtest, on either pytest
    return context.msg if context else None


def _is_section(report: Any) -> bool:
    return section_of(report) is not None and CASE in properties_of(report)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" or section_of(report) is not None:  # one report carries the result
        report.user_properties = [each for each in report.user_properties if each[0] != RESULT]
    if isinstance(report.longrepr, str) and {CASE, ORPHAN} & properties_of(report).keys():
        report.longrepr = Explanation(report.longrepr)
        report.sections = [(title, text) for title, text in report.sections if text.strip()]


class AfterLine:
    """Shows after a case's line what its programs were told; and, with *titles*, its title."""

    def __init__(self, reporter: Any, *, titles: bool) -> None:
        self._reporter = reporter
        self._titles = titles

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if result := result_of(report):
            title = [result.title] if self._titles and result.title else []
            for line in [*title, *(result.shown.split("\n") if result.shown else [])]:
                self._reporter.ensure_newline()
                self._reporter.write_line(f"    {printable(line)}".rstrip())


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Call sections and cases by what they are, whatever the plugins of subtests call them."""
    others = yield
    ours = report.when == "call" and CASE in properties_of(report)
    expected = hasattr(report, "wasxfail") and section_of(report) is None
    return _status(report) if ours and not expected else others


def _status(report: pytest.TestReport) -> tuple[str, str, str]:
    """Return category, letter and word for a report; say nothing of a section that is right."""
    if title := section_of(report):
        return ("failed", "u", f"DIFFERS [{printable(title)}]") if report.failed else ("", "", "")
    if report.skipped:
        return "not run", "s", "NOT RUN"
    result = result_of(report)
    passed = "UPDATED" if result and result.update else "PASSED"
    letter, word = ("F", "FAILED") if report.failed else (".", passed)
    return report.outcome, letter, f"{word}{_measure(result) if result else ''}"


def _measure(result: CaseResult) -> str:
    sections, failing = len(result.sections), len(result.failing)
    of = f"{failing} of " if failing else ""
    said = [f"{of}{count(sections, 'section')}"] if sections else []
    said.append(Path(result.golden).name)
    if result.about_runs:
        said.append(share_of_runs(result.failed_runs, result.runs))
    return f" ({', '.join(said)})"


class Took(NamedTuple):
    """How long a case took."""

    name: str
    path: str
    seconds: float


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None]:
    """Let pytest's last line count cases, not their sections once more, and tell all of the time.

    It comes after all summaries, of which some show sections.
    """
    yield
    run = terminalreporter.config.stash[RUN]
    if run.began:  # cases are ahead of pytest, whose clock is for that line only
        terminalreporter._session_start = SimpleNamespace(elapsed=run.elapsed)
    stats = terminalreporter.stats
    if failed := stats.get("failed"):  # with none of that name, the line is green
        stats["failed"] = [each for each in failed if not _is_section(each)]


class Summary:
    """Says at the end of a run what came of it; keeps no more of a case than that takes."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._sections = self._failing = self._orphans = 0
        self._took: list[Took] = []
        self._told: list[CaseResult] = []
        self._kept: list[str] = []
        self._past: Mapping[str, LastRun] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case; take from its report what others have no use for."""
        self._orphans += report.failed and ORPHAN in properties_of(report)
        result = result_of(report)
        if not result:
            return
        report.user_properties = [each for each in report.user_properties if each[0] != RESULT]
        self._states[result.state] += 1
        self._sections += len(result.sections)
        self._failing += len(result.failing)
        if result.seconds:
            self._took.append(Took(result.name, result.path, result.seconds))
        if result.kept:
            self._kept.append(f"{result.name} {result.flaky or result.state}; {result.kept_files}")
        if result.update or result.skipped or result.notes or result.state is State.NOT_RUN:
            self._told.append(replace(result, sections=[]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Read how long cases took last time, before this time is written."""
        if session.testscollected > HANDFUL or session.config.stash[RUN].settings.slowest:
            self._past = past_of(session.config)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Count cases and sections, show updates, name the slowest cases and what was kept."""
        if not self._states:
            return
        tw = terminalreporter
        if updates := [each.update for each in self._told if each.update]:
            tw.write_sep("=", "goldens updated")
            for update in updates:
                _write_difference(tw, update)
        tw.write_sep("=", "goldlock")
        order = (State.PASSED, State.FAILED, State.NOT_RUN)
        said = ", ".join(f"{self._states[each]} {each}" for each in order if self._states[each])
        sections = f"{count(self._sections, 'section')}, {self._failing} differ"
        tw.write_line(f"{count(self._states.total(), 'case')}: {said}; {sections}")
        if self._orphans:
            tw.write_line(f"{count(self._orphans, 'golden')} that no case uses")
        for each in self._told:
            for word, texts in (("left out", each.skipped), ("note", each.notes)):
                for text in texts:
                    tw.write_line(f"{word}: {each.name}: {printable(here(text))}")
        _write_reasons(tw, [each for each in self._told if each.state is State.NOT_RUN])
        if slow := slowest(self._took, tw.config.stash[RUN].settings.slowest, self._past):
            tw.write_line(slow)
        for kept in self._kept:
            tw.write_line(printable(here(kept)))


def _write_reasons(tw: Any, not_run: Sequence[CaseResult]) -> None:
    reasons: dict[str, list[str]] = {}
    for each in not_run:
        reasons.setdefault(each.reason, []).append(each.name)
    for reason, numbers in reasons.items():
        tw.write_line(f"not run: {' '.join(numbers)}: {printable(reason)}")


def slowest(took: Sequence[Took], asked: int | None, past: Mapping[str, LastRun]) -> str:
    """Return a line with the slowest of the cases, or nothing where it would say nothing.

    *asked* is how many; None leaves it to how many there are.
    """
    ran = sorted(took, key=lambda each: -each.seconds)
    if asked is None:
        slow = [each for each in ran if each.seconds > SLOW]
        ran = slow[:SLOWEST] if len(ran) > HANDFUL else []
    said = [
        f"{each.name} {each.seconds:.2f} s"
        + (f" (last {past[each.path].seconds:.2f} s)" if each.path in past else "")
        for each in ran[:asked]
    ]
    return f"slowest: {', '.join(said)}" if said else ""


def _write_difference(tw: Any, text: str) -> None:
    for line in text.split("\n"):
        colour = {"-": {"red": True}, "+": {"green": True}}.get(line[:1], {})
        tw.write_line(printable(line), **colour)
