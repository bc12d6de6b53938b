# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run says: pytest's own reporters, with our words.

Reports of sections that are as expected are not shown; what a run came to is counted here,
since pytest 8 and 9 count subtests differently.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from goldlock.goldens import diff
from goldlock.reports.repo_paths import here
from goldlock.runner.history import Past, read_history

CASE = "goldlock"
"""The user property that marks a report as one of a case, or of a section; a number."""

ORPHAN = "goldlock-orphan"
"""The user property of a report of a golden without a case: its path."""

RECORD = "goldlock-record"
"""The user property with the record of a case, where reports want one."""

_PAST = pytest.StashKey[Mapping[str, Past]]()

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
            tw.line(line, **colours.get(line[:2].strip(), {}))


def kept(directory: Path | str) -> str:
    """Name what is left to look at in a directory that was kept."""
    output, raw, wrap = (Path(directory) / name for name in ("output", "log", "wrap"))
    if not output.exists():
        return f"kept: {directory}"
    said = f"kept: {output}" + (f", and before filters {raw}" if raw.exists() else "")
    logs = len(list(wrap.iterdir())) if wrap.is_dir() else 0
    return said + (f"; {diff.count(logs, 'wrapper log')} in {wrap}" if logs else "")


def share_of_runs(failed: int, runs: int) -> str:
    """Return how many runs failed; those of a flaky case with their share."""
    if not failed:
        return diff.count(runs, "run")
    if failed == runs:
        return f"failed in each of {diff.count(runs, 'run')}"
    return f"FLAKY: failed in {failed} of {diff.count(runs, 'run')} ({failed / runs * 100:.3g} %)"


def properties_of(report: pytest.TestReport) -> dict[str, Any]:
    """Return what a case has told with its report."""
    return dict(report.user_properties)


def section_of(report: pytest.TestReport) -> str | None:
    """Return the title of the section that a report is about; None for a case's own."""
    context = getattr(report, "context", None)  # of a subtest, on either pytest
    return context.msg if context else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" or section_of(report) is not None:  # one report carries the record
        report.user_properties = [each for each in report.user_properties if each[0] != RECORD]
    if isinstance(report.longrepr, str) and {CASE, ORPHAN} & properties_of(report).keys():
        report.longrepr = Explanation(report.longrepr)
        report.sections = [(title, text) for title, text in report.sections if text.strip()]


class Commands:
    """Shows what the programs of a case were told, after the case's line."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        log = "" if section_of(report) else properties_of(report).get("log")
        if log and report.when == "call":
            self._reporter.ensure_newline()
            for line in log.split("\n"):
                self._reporter.write_line(f"    {diff.printable(line)}".rstrip())


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Call sections and cases by what they are, whatever the plugins of subtests call them."""
    others = yield
    ours = report.when == "call" and CASE in properties_of(report)
    return _status(report) if ours else others


def _status(report: pytest.TestReport) -> tuple[str, str, str]:
    """Return category, letter and word for a report; say nothing of a section that is right."""
    properties = properties_of(report)
    if title := section_of(report):
        return ("failed", "u", f"DIFFERS [{title}]") if report.failed else ("", "", "")
    if report.skipped:
        return "not run", "s", "NOT RUN"
    passed = "UPDATED" if properties.get("update") else "PASSED"
    letter, word = ("F", "FAILED") if report.failed else (".", passed)
    return report.outcome, letter, f"{word}{_measure(properties)}"


def _measure(properties: Mapping[str, Any]) -> str:
    if "golden" not in properties:
        return ""
    sections, failing = properties["sections"], properties["failing"]
    of = f"{failing} of " if failing else ""
    said = [f"{of}{diff.count(sections, 'section')}"] if sections else []
    said.append(Path(properties["golden"]).name)
    if runs := properties.get("runs"):
        said.append(share_of_runs(properties["failed runs"], runs))
    return f" ({', '.join(said)})"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Read how long cases took last time, before this time is written."""
    if session.testscollected > HANDFUL or session.config.getoption("--slowest"):
        session.config.stash[_PAST] = read_history(session.config.rootpath)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count cases and sections, show updates, name the slowest cases and what was kept."""
    reports = [
        report
        for category in ("passed", "failed", "not run")
        for report in terminalreporter.stats.get(category, [])
        if isinstance(report, pytest.TestReport)
        and report.when == "call"
        and CASE in properties_of(report)
        and not section_of(report)
    ]
    if not reports:
        return
    found = [properties_of(report) for report in reports]
    tw = terminalreporter
    if updates := [each for each in found if each.get("update")]:
        tw.write_sep("=", "goldens updated")
        for each in updates:
            _write_difference(tw, each["update"])
    tw.write_sep("=", "goldlock")
    words = {"passed": "passed", "failed": "failed", "skipped": "not run"}
    verdicts = Counter(words[report.outcome] for report in reports)
    said = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    sections = diff.count(sum(each.get("sections", 0) for each in found), "section")
    failing = sum(each.get("failing", 0) for each in found)
    tw.write_line(f"{diff.count(len(found), 'case')}: {said}; {sections}, {failing} differ")
    failed = terminalreporter.stats.get("failed", [])
    if orphans := [report for report in failed if ORPHAN in properties_of(report)]:
        tw.write_line(f"{diff.count(len(orphans), 'golden')} that no case uses")
    _write_reasons(tw, [each for r, each in zip(reports, found, strict=True) if r.skipped])
    past = tw.config.stash.get(_PAST, {})
    if slow := slowest(found, tw.config.getoption("--slowest"), past):
        tw.write_line(slow)
    for report, each in zip(reports, found, strict=True):
        if each.get("kept"):
            failed, runs = each.get("failed runs", 0), each.get("runs", 0)
            outcome = share_of_runs(failed, runs) if 0 < failed < runs else report.outcome
            tw.write_line(here(f"{each[CASE]} {outcome}; {kept(each['kept'])}"))


def _write_reasons(tw: Any, not_run: Sequence[Mapping[str, Any]]) -> None:
    reasons: dict[str, list[str]] = {}
    for each in not_run:
        reasons.setdefault(each["reason"], []).append(each[CASE])
    for reason, numbers in reasons.items():
        tw.write_line(f"not run: {' '.join(numbers)}: {diff.printable(reason)}")


def slowest(found: Sequence[Mapping[str, Any]], asked: int | None, past: Mapping[str, Past]) -> str:
    """Return a line with the slowest of the cases, or nothing where it would say nothing.

    *asked* is how many; None leaves it to how many there are.
    """
    ran = sorted((each for each in found if each.get("seconds")), key=lambda each: -each["seconds"])
    if asked is None:
        slow = [each for each in ran if each["seconds"] > SLOW]
        ran = slow[:SLOWEST] if len(ran) > HANDFUL else []
    said = [
        f"{each[CASE]} {each['seconds']:.2f} s"
        + (f" (last {past[each['path']].seconds:.2f} s)" if each["path"] in past else "")
        for each in ran[:asked]
    ]
    return f"slowest: {', '.join(said)}" if said else ""


def _write_difference(tw: Any, text: str) -> None:
    for line in text.split("\n"):
        colour = {"-": {"red": True}, "+": {"green": True}}.get(line[:1], {})
        tw.write_line(diff.printable(line), **colour)
