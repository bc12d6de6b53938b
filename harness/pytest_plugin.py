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
from harness.programs import Programs
from harness.runner import Ran, Runner
from harness.schedule import Ahead
from harness.settings import OPTIONS, Settings
from harness.suite import Case, Suite, read_case, read_suite

_AHEAD = pytest.StashKey[Ahead]()
_REPORT = "goldlock"
"""The user property that marks a report as one of a case, or of a section."""

_ORPHAN = "goldlock-orphan"

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
    """Make what runs the cases, unless it was handed over as a plugin, with cases that run."""
    plugins = config.pluginmanager.get_plugins()
    ahead = next((plugin for plugin in plugins if isinstance(plugin, Ahead)), None)
    try:
        settings = Settings.from_options(config.option, os.environ)
        config.stash[_AHEAD] = ahead or Ahead(Runner(settings, os.environ))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the cases that are to be judged; a worker of pytest-xdist is told one at a time."""
    if not hasattr(session.config, "workerinput"):
        ahead = session.config.stash[_AHEAD]
        ahead.start(item.case for item in session.items if isinstance(item, CaseItem))


def pytest_unconfigure(config: pytest.Config) -> None:
    if ahead := config.stash.get(_AHEAD, None):
        ahead.close()


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
            name = path.name.removesuffix(".out").replace(".", "-")
            yield OrphanItem.from_parent(self, name=f"orphan-{name}", golden=path)

    def _suite(self) -> Suite:
        return read_suite(self.path.parent.parent)


class OrphanItem(pytest.Item):
    """A golden that no case owns: a failure."""

    def __init__(self, *, golden: Path, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.golden = golden

    def runtest(self) -> None:
        self.user_properties.append((_ORPHAN, True))
        number = self.golden.name.split(".")[0]
        raise CaseFailed(
            f"{self.golden}: no case owns this golden;"
            f" remove it, or add a case {number} to {self.path.parent}"
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> str:
        return _here(str(excinfo.value))

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
        self.user_properties.append((_REPORT, self.case.number))
        self.ran = ran = self.config.stash[_AHEAD].result(self.case)
        verdict = ran.verdict
        self.user_properties += [
            ("golden", str(verdict.golden)),
            ("sections", len(verdict.sections)),
            ("failing", len(verdict.failing)),
            ("kept", str(ran.kept or "")),
            ("update", verdict.update),
            ("log", ran.log),
        ]
        for section in verdict.sections:
            with subtests.test(msg=section.title):
                if section.changes:
                    shown = explain.section(section, verdict.golden, verdict.lines)
                    raise SectionDiffers(shown)
        if verdict.state is State.NOTRUN:
            pytest.skip(verdict.reason)
        if verdict.state is State.FAIL:
            raise CaseFailed(_about_case(verdict, ran.kept))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, SectionDiffers | CaseFailed | UsageError):
            return _here(str(excinfo.value))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.case.number


def _about_case(verdict: Verdict, kept: Path | None) -> str:
    said = list(verdict.problems)
    if failing := len(verdict.failing):
        of = explain.count(len(verdict.sections), "section")
        said.append(f"{failing} of {of} not as in {verdict.golden}")
    if kept:
        said.append(_kept(kept))
    return "\n".join(said)


def _kept(directory: Path | str) -> str:
    """Name what is left to look at in a directory that was kept."""
    output, raw = Path(directory) / "output", Path(directory) / "log"
    if not output.exists():
        return f"kept: {directory}"
    return f"kept: {output}" + (f", and before filters {raw}" if raw.exists() else "")


def _here(text: str) -> str:
    """Shorten the paths below the current directory, as a person would type them."""
    return text.replace(f"{Path.cwd()}/", "")


# Reporting: pytest's own reporters, with our words.


def _properties(report: pytest.TestReport) -> dict[str, Any]:
    return dict(report.user_properties)


def _section(report: pytest.TestReport) -> str | None:
    """Return the title of the section that a report is about; None for a case's own."""
    context = getattr(report, "context", None)  # of a subtest, on either pytest
    return context.msg if context else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if isinstance(report.longrepr, str) and {_REPORT, _ORPHAN} & _properties(report).keys():
        report.longrepr = Explanation(report.longrepr)
        report.sections = [(title, text) for title, text in report.sections if text.strip()]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is under test, also where pytest's own header is switched off."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        programs = config.stash[_AHEAD].runner.programs
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    if reporter and not hasattr(config, "workerinput"):
        for line in _header(config.stash[_AHEAD].runner.settings, programs):
            reporter.write_line(line)
        config.pluginmanager.register(_Commands(reporter), "goldlock-commands")


class _Commands:
    """Shows what the programs of a case were told, after the case's line."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        log = "" if _section(report) else _properties(report).get("log")
        if log and report.when == "call":
            self._reporter.ensure_newline()
            for line in log.split("\n"):
                self._reporter.write_line(f"    {explain.printable(line)}".rstrip())


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Call sections and cases by what they are, whatever the plugins of subtests call them."""
    others = yield
    ours = report.when == "call" and _REPORT in _properties(report)
    return _status(report) if ours else others


def _status(report: pytest.TestReport) -> tuple[str, str, str]:
    """Return category, letter and word for a report; say nothing of a section that is right."""
    properties = _properties(report)
    if title := _section(report):
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
    name = Path(properties["golden"]).name
    return f" ({of}{explain.count(sections, 'section')}, {name})" if sections else f" ({name})"


def _header(settings: Settings, programs: Programs) -> list[str]:
    lines = [f"goldlock: image format {settings.imgfmt}, protocol {settings.imgproto}"]
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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count cases and sections, show updates, and name what was kept."""
    reports = [
        report
        for category in ("passed", "failed", "not run")
        for report in terminalreporter.stats.get(category, [])
        if isinstance(report, pytest.TestReport)
        and report.when == "call"
        and _REPORT in _properties(report)
        and not _section(report)
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
    words = {"passed": "passed", "failed": "failed", "skipped": "not run"}
    verdicts = Counter(words[report.outcome] for report in reports)
    said = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    sections = explain.count(sum(each.get("sections", 0) for each in found), "section")
    failing = sum(each.get("failing", 0) for each in found)
    tw.write_line(f"{explain.count(len(found), 'case')}: {said}; {sections}, {failing} differ")
    failed = terminalreporter.stats.get("failed", [])
    if orphans := [report for report in failed if _ORPHAN in _properties(report)]:
        tw.write_line(f"{explain.count(len(orphans), 'golden')} without a case")
    for report, each in zip(reports, found, strict=True):
        if each.get("kept"):
            tw.write_line(_here(f"{each[_REPORT]} {report.outcome}; {_kept(each['kept'])}"))


def _write_difference(tw: Any, text: str) -> None:
    for line in text.split("\n"):
        colour = {"-": {"red": True}, "+": {"green": True}}.get(line[:1], {})
        tw.write_line(explain.printable(line), **colour)
