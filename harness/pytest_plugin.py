"""Cases as pytest items, their sections as subtests.

A failing section is a failing subtest on any pytest. Its parent, the case, is failed here,
too: pytest 9 does that by itself, pytest 8 with pytest-subtests does not. Reports of
sections that are as expected are not shown; what a run came to is counted here, since the
two pytests count subtests differently.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import explain
from harness.errors import UsageError
from harness.judge import State, Verdict
from harness.runner import Ran, Runner
from harness.settings import OPTIONS, Settings
from harness.suite import Case, Suite, read_case, read_suite

_RUNNER = pytest.StashKey[Runner]()
_REPORT = "goldlock"
"""The user property that marks a report as one of a case, or of a section."""

_ORPHANS = "--goldlock-orphans"


class SectionDiffers(Exception):
    """A section is not as in the golden; the message is what to show."""


class CaseFailed(Exception):
    """A case failed; the message is what to show, beside its sections."""


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


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goldlock", "golden-output cases")
    for option in OPTIONS:
        group.addoption(option.flag, **option.keywords)
    group.addoption(_ORPHANS, action="store_true", help="fail for goldens that no case owns")


def pytest_configure(config: pytest.Config) -> None:
    try:
        settings = Settings.from_options(config.option, os.environ)
        config.stash[_RUNNER] = Runner(settings, os.environ)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    if runner := config.stash.get(_RUNNER, None):
        runner.close()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, object, object]:
    """Collect a file in the ``cases/`` of a suite as a case, and as nothing else."""
    others = yield
    if file_path.parent.name != "cases" or not file_path.name[0].isdigit():
        return others
    return [CaseFile.from_parent(parent, path=file_path)]


class CaseFile(pytest.File):
    """A case's file, which holds one item."""

    def collect(self) -> Iterable[pytest.Item]:
        try:
            case = read_case(self.path)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        yield CaseItem.of(self, case)
        if self.config.getoption(_ORPHANS) and self._is_last():
            yield from self._orphans()

    def _is_last(self) -> bool:
        return self.path == self._suite().cases[-1].path

    def _orphans(self) -> Iterable[pytest.Item]:
        for path in self._suite().orphans():
            yield OrphanItem.from_parent(self, name=path.name, golden=path)

    def _suite(self) -> Suite:
        return read_suite(self.path.parent.parent)


class OrphanItem(pytest.Item):
    """A golden that no case owns: a failure."""

    def __init__(self, *, golden: Path, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.golden = golden

    def runtest(self) -> None:
        number = self.golden.name.split(".")[0]
        raise CaseFailed(
            f"{self.golden}: no case owns this golden;"
            f" remove it, or add a case {number} to {self.path.parent}"
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.golden, None, self.golden.name


class CaseItem(pytest.Function):
    """One case. It is a pytest.Function for the sake of the ``subtests`` fixture."""

    case: Case
    ran: Ran | None = None

    @classmethod
    def of(cls, parent: CaseFile, case: Case) -> "CaseItem":
        """Make the item of a case."""

        def judge(subtests: Any) -> None:
            item.run_and_report(subtests)

        item: CaseItem = cls.from_parent(parent, name=case.number, callobj=judge)
        item.case = case
        for group in case.groups:
            item.extra_keyword_matches.add(group)
        return item

    def run_and_report(self, subtests: Any) -> None:
        """Run the case; report each section as a subtest, then fail if anything did."""
        runner = self.config.stash[_RUNNER]
        self.user_properties.append((_REPORT, self.case.number))
        reason, required = runner.why_not(self.case)
        if reason and required:
            raise CaseFailed(f"case {self.case.number} must run (--require): {reason}")
        if reason:
            pytest.skip(reason)
        self.ran = ran = runner.run(self.case)
        verdict = ran.verdict
        self.user_properties += [
            ("golden", str(verdict.golden)),
            ("sections", len(verdict.sections)),
            ("failing", len(verdict.failing)),
            ("kept", str(ran.kept or "")),
            ("update", verdict.update),
        ]
        if runner.settings.show_commands:
            self._show_log(runner)
        for section in verdict.sections:
            with subtests.test(msg=section.title):
                if section.changes:
                    golden = _short(verdict.golden)
                    raise SectionDiffers(explain.section(section, golden, verdict.lines))
        if verdict.state is State.NOTRUN:
            pytest.skip(verdict.reason)
        if verdict.state is State.FAIL:
            raise CaseFailed(_about_case(verdict, ran.kept))

    def _show_log(self, runner: Runner) -> None:
        log = runner.log(self.case)
        if log.exists():
            text = log.read_text("utf-8", "replace")
            self.add_report_section("call", "programs", text)

    def repr_failure(  # type: ignore[override] - as pytest.Function has it
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> Any:
        if isinstance(excinfo.value, SectionDiffers | CaseFailed | UsageError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.case.number


def _about_case(verdict: Verdict, kept: Path | None) -> str:
    said = list(verdict.problems)
    if failing := len(verdict.failing):
        count = f"{failing} of {len(verdict.sections)} sections"
        said.append(f"{count} differ from {_short(verdict.golden)}")
    if kept:
        said.append(f"kept: {kept}/output, and {kept}/log with the raw output of the programs")
    return "\n".join(said)


def _short(path: Path) -> Path:
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


# Reporting: pytest's own reporters, with our words.


def _properties(report: pytest.TestReport) -> dict[str, Any]:
    return dict(report.user_properties)


def _is_subtest(report: pytest.TestReport) -> bool:
    return hasattr(report, "context")  # SubtestReport of pytest 9, SubTestReport of the plugin


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if isinstance(report.longrepr, str) and _REPORT in _properties(report):
        report.longrepr = Explanation(report.longrepr)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Call sections and cases by what they are; say nothing of a section that is right."""
    if report.when != "call" or not isinstance(report, pytest.TestReport):
        return None
    properties = _properties(report)
    if _REPORT not in properties:
        return None
    if _is_subtest(report):
        if not report.failed:
            return "", "", ""
        return "failed", "u", f"DIFFERS [{report.context.msg}]"  # type: ignore[attr-defined] - see _is_subtest
    if report.skipped:
        return "not run", "s", "NOT RUN"
    if report.failed:
        return "failed", "F", f"FAILED{_measure(properties)}"
    word = "UPDATED" if properties.get("update") else "PASSED"
    return "passed", ".", f"{word}{_measure(properties)}"


def _measure(properties: Mapping[str, Any]) -> str:
    if "golden" not in properties:
        return ""
    sections, failing = properties["sections"], properties["failing"]
    of = f"{failing} of {sections}" if failing else sections
    return f" ({of} section{'s' * (sections != 1)}, {Path(properties['golden']).name})"


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is under test, also where pytest's own header is switched off."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(session.config, "workerinput"):
        for line in _header(session.config.stash[_RUNNER]):
            reporter.write_line(line)


def _header(runner: Runner) -> list[str]:
    settings = runner.settings
    lines = [f"goldlock: image format {settings.imgfmt}, protocol {settings.imgproto}"]
    try:
        programs = runner.programs
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    if not programs.paths:
        return [*lines, "programs: no QEMU found; cases that need it are not run"]
    policy = {"errno": "with errno text", "elided": "without errno text"}.get(
        programs.errno_policy, "not known"
    )
    lines.append(
        f"programs: QEMU {programs.version}, accelerator {programs.accelerator or 'none'},"
        f" lock conflicts {policy}"
    )
    lines += [f"  {name}: {path}" for name, path in programs.paths.items()]
    return lines


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Count cases and sections, show updates, and name what was kept."""
    reports = [
        report
        for category in ("passed", "failed", "not run")
        for report in terminalreporter.stats.get(category, [])
        if isinstance(report, pytest.TestReport)
        and report.when == "call"
        and _REPORT in _properties(report)
        and not _is_subtest(report)
    ]
    if not reports:
        return
    found = [_properties(report) for report in reports]
    tw = terminalreporter
    if updates := [each for each in found if each.get("update")]:
        tw.write_sep("=", "goldens updated")
        for each in updates:
            _write_difference(tw, each["update"])
    tw.write_sep("=", "goldlock")
    states = Counter({"passed": "passed", "failed": "failed", "skipped": "not run"}[r.outcome] for r in reports)
    sections = sum(each.get("sections", 0) for each in found)
    failing = sum(each.get("failing", 0) for each in found)
    tw.write_line(f"{explain.summary(dict(states))}; {sections} sections, {failing} of them differ")
    for report, each in zip(reports, found, strict=True):
        if each.get("kept"):
            tw.write_line(f"{each[_REPORT]} {report.outcome}: {each['kept']}/output, raw in log")


def _write_difference(tw: Any, text: str) -> None:
    for line in text.split("\n"):
        colour = {"-": {"red": True}, "+": {"green": True}}.get(line[:1], {})
        tw.write_line(explain.printable(line), **colour)


