"""Cases as pytest items, their sections as subtests.

A failing section is a failing subtest on any pytest. Its parent, the case, is failed here,
too: pytest 9 does that by itself, pytest 8 with pytest-subtests does not.
"""

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness import explain, orphans, report
from harness.errors import UsageError
from harness.judge import State, Verdict
from harness.runner import Ran, Runner
from harness.schedule import HISTORY, Ahead, in_best_order, read_history
from harness.settings import OPTIONS, Settings
from harness.suite import Case, read_case

_AHEAD = pytest.StashKey[Ahead]()


class SectionDiffers(Exception):
    """A section is not as in the golden; the message is what to show."""


class CaseFailed(Exception):
    """A case failed; the message is what to show, beside its sections."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goldlock", "golden-output cases")
    for option in OPTIONS:
        group.addoption(option.flag, **option.keywords)
    group.addoption(orphans.OPTION, action="store_true", help="fail for goldens that no case owns")


def pytest_configure(config: pytest.Config) -> None:
    """Make what runs the cases, unless it was handed over as a plugin, with cases that run."""
    config.pluginmanager.register(report, "goldlock-report")
    config.pluginmanager.register(orphans, "goldlock-orphans")
    plugins = config.pluginmanager.get_plugins()
    ahead = next((plugin for plugin in plugins if isinstance(plugin, Ahead)), None)
    try:
        settings = Settings.from_options(config.option, os.environ)
        config.stash[_AHEAD] = ahead or Ahead(Runner(settings, os.environ))
        if settings.review and not hasattr(config, "workerinput"):
            _prepare_review(config, settings, plain=not ahead)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _prepare_review(config: pytest.Config, settings: Settings, *, plain: bool) -> None:
    from harness import review, review_plugin  # only for those who want it

    if config.getoption("dist", "no") != "no":
        raise UsageError("--review: not with pytest-xdist (-n); -j runs cases side by side, too")
    if plain:  # the command has looked already, before pytest put a file in the terminal's place
        review.require_terminal("; pytest itself needs -s for that")
    config.pluginmanager.register(review_plugin.ReviewAtEnd(force=settings.force))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the cases that are to be judged; a worker of pytest-xdist is told one at a time."""
    if not hasattr(session.config, "workerinput"):
        ahead = session.config.stash[_AHEAD]
        cases = [item.case for item in session.items if isinstance(item, CaseItem)]
        if ahead.runner.settings.jobs > 1:
            cases = in_best_order(cases, read_history(session.config.rootpath))
        ahead.start(cases)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember how the cases went, for the order of the next run."""
    cache = session.config.cache
    if cache is None or hasattr(session.config, "workerinput"):
        return
    past = cache.get(HISTORY, {})
    past = past if isinstance(past, dict) else {}
    for item in session.items:
        if isinstance(item, CaseItem) and item.ran and item.ran.seconds:
            failed = item.ran.verdict.state is State.FAIL
            past[item.case.number] = [round(item.ran.seconds, 3), failed]
    cache.set(HISTORY, past)


def pytest_unconfigure(config: pytest.Config) -> None:
    if ahead := config.stash.get(_AHEAD, None):
        ahead.close()


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
        for line in report.header(config.stash[_AHEAD].runner.settings, programs):
            reporter.write_line(line)
        if folder := config.stash[_AHEAD].runner.settings.commands:
            reporter.write_line(f"commands: a script for each case, in {folder}")
        config.pluginmanager.register(report.Commands(reporter), "goldlock-commands")


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
        self.user_properties.append((report.CASE, self.case.number))
        self.ran = ran = self.config.stash[_AHEAD].result(self.case)
        verdict = ran.verdict
        self.user_properties += [
            ("golden", str(verdict.golden)),
            ("sections", len(verdict.sections)),
            ("failing", len(verdict.failing)),
            ("kept", str(ran.kept or "")),
            ("update", verdict.update),
            ("log", ran.log),
            ("reason", verdict.reason),
        ]
        for section in verdict.sections:
            with subtests.test(msg=explain.printable(section.title)):
                if section.changes:
                    shown = explain.section(section, verdict.golden, verdict.lines)
                    raise SectionDiffers(shown)
        if verdict.state is State.NOTRUN:
            pytest.skip(verdict.reason)
        if verdict.state is State.FAIL:
            raise CaseFailed(_about_case(verdict, ran.kept))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, SectionDiffers | CaseFailed | UsageError):
            return report.here(str(excinfo.value))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.case.number


def _about_case(verdict: Verdict, kept: Path | None) -> str:
    said = list(verdict.problems)
    if failing := len(verdict.failing):
        of = explain.count(len(verdict.sections), "section")
        said.append(f"{failing} of {of} not as in {verdict.golden}")
    if kept:
        said.append(report.kept(kept))
    return "\n".join(said)
