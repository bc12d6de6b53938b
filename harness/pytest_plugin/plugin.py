# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases as pytest items, their sections as subtests.

A failing section is a failing subtest on any pytest. Its parent, the case, is failed here,
too: pytest 9 does that by itself, pytest 8 with pytest-subtests does not.
"""

import os
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol  # as other plugins with a protocol of their own do
from goldlock.errors import UsageError
from goldlock.pytest_plugin import console, leaks, orphans
from goldlock.pytest_plugin.registration import start
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State
from goldlock.runner import shards
from goldlock.runner.history import HISTORY, Past, in_best_order, read_history
from goldlock.runner.scheduler import Ahead
from goldlock.settings import Settings
from goldlock.suite import kit as kits
from goldlock.suite.cases import Case, may_be_case, read_case
from goldlock.text import count, for_terminal, printable

_AHEAD = pytest.StashKey[Ahead]()
_FIXTURES = pytest.StashKey[Any]()
"""What all cases want of pytest's fixtures: ``subtests``."""
_UNCOLLECTED = pytest.StashKey[int]()
"""How much could not be collected, such as a case with a bad header."""

SHOWN = 100
"""Sections of a case that are shown as they differ, past which they are only named."""


class SectionDiffers(Exception):
    """A section is not as in the golden; the message is what to show."""


class CaseFailed(Exception):
    """A case failed; the message is what to show, beside its sections."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goldlock", "golden-output cases")
    for option in kits.options():
        if not option.of_pytest:
            group.addoption(option.flag, **option.keywords)
    group.addoption(orphans.OPTION, action="store_true", help="fail for goldens that no case owns")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make what runs the cases, unless it was handed over as a plugin, with cases that run."""
    config.option.junit_xml = config.option.xmlpath  # pytest's own writer knows no sections
    config.option.xmlpath = None
    config.pluginmanager.register(console, "goldlock-report")
    config.pluginmanager.register(console.Summary(), "goldlock-summary")
    config.pluginmanager.register(orphans, "goldlock-orphans")
    plugins = config.pluginmanager.get_plugins()
    ahead = next((plugin for plugin in plugins if isinstance(plugin, Ahead)), None)
    try:
        settings = kits.settings(config.option, os.environ)
        config.stash[_AHEAD] = ahead or Ahead(settings, os.environ)
        config.pluginmanager.register(leaks.Leaks(config.stash[_AHEAD]))
        if settings.review and not hasattr(config, "workerinput"):
            _prepare_review(config, settings, plain=not ahead)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _prepare_review(config: pytest.Config, settings: Settings, *, plain: bool) -> None:
    from goldlock.goldens import review
    from goldlock.pytest_plugin import review_at_end  # only for those who want it

    if config.getoption("dist", "no") != "no":
        raise UsageError("--review: not with pytest-xdist (-n); -j runs cases side by side, too")
    if plain:  # the command has looked already, before pytest put a file in the terminal's place
        review.require_terminal("; pytest itself needs -s for that")
    config.pluginmanager.register(review_at_end.ReviewAtEnd(force=settings.force))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the cases that are to be judged; a worker of pytest-xdist is told one at a time."""
    session.config.stash[_UNCOLLECTED] = session.testsfailed  # none has run yet
    if not hasattr(session.config, "workerinput"):
        ahead = session.config.stash[_AHEAD]
        cases = [item.case for item in session.items if isinstance(item, CaseItem)]
        if ahead.settings.jobs != 1:
            cases = in_best_order(cases, read_history(session.config.rootpath))
        ahead.start(cases)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember how the cases went, for the order of the next run."""
    uncollected = session.config.stash.get(_UNCOLLECTED, 0)
    if uncollected and session.exitstatus == pytest.ExitCode.INTERRUPTED:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR  # pytest calls it an interruption, too
    cache = session.config.cache
    if cache is None or hasattr(session.config, "workerinput"):
        return
    root = session.config.rootpath
    items = [item for item in session.items if isinstance(item, CaseItem)]
    now = {item.case: past for item in items if (past := item.past) and past.seconds}
    known = {**read_history(root), **{str(case.path): past for case, past in now.items()}}
    cache.set(HISTORY, {path.removeprefix(f"{root}/"): past for path, past in known.items()})
    if session.config.option.store_durations and now:
        _store_durations(session, {case.number: past.seconds for case, past in now.items()})


def _store_durations(session: pytest.Session, seconds: dict[str, float]) -> None:
    root = session.config.rootpath
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        known = shards.read_durations(root)
        path = shards.store_durations(root, {**known, **seconds})
        said = f"stored the durations of {count(len(seconds), 'case')}: {path}"
    except UsageError as error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        said = str(error)
    if reporter:
        reporter.ensure_newline()
        reporter.write_line(said)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    ahead = config.stash[_AHEAD]
    if unfinished := ahead.unfinished():
        terminalreporter.write_line(f"not judged: {'; '.join(unfinished)}", yellow=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if ahead := config.stash.get(_AHEAD, None):
        ahead.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is under test, also where pytest's own header is switched off."""
    config = session.config
    ahead = config.stash[_AHEAD]
    try:
        context = ahead.context
        kit = kits.of_suite(config.rootpath).name
        programs = context.programs(kit)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    if not hasattr(config, "workerinput"):
        start(config, ahead.settings, programs, ahead.running, context.scratch.cleared)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, object, object]:
    """Collect a file in the ``cases/`` of a suite as a case, and as nothing else."""
    others = yield
    if file_path.parent.name != "cases" or not may_be_case(file_path):
        return others
    file: CaseFile = CaseFile.from_parent(parent, path=file_path)
    if parent.session.isinitpath(file_path):  # to be looked into for what is named after ::
        return [file]
    try:
        return [*file.collect()]  # pytest would take as long again for a report on each file
    except CaseFile.CollectError:
        return [file]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report a case that passed in one step: no fixtures, no subtests, no captured output.

    That is most of what pytest does for an item, and a quick case takes no longer. A case that
    failed, or was not run, goes the whole way.
    """
    if not isinstance(item, CaseItem):
        return None
    hooks = item.ihook  # looked up anew each time
    hooks.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    if item.passes():
        report = pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            outcome="passed",
            longrepr=None,
            when="call",
            user_properties=item.user_properties,
            duration=item.result.seconds,
        )
        hooks.pytest_runtest_logreport(report=report)
        item.forget()
        item.session._setupstate.teardown_exact(nextitem)
    else:
        runtestprotocol(item, nextitem=nextitem)
    hooks.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


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
    judged: CaseResult | None = None
    """What came of it; None before it was asked for, and once it is forgotten."""
    _past: Past | None = None

    @classmethod
    def of(cls, parent: CaseFile, case: Case) -> "CaseItem":
        """Make the item of a case."""

        def judge(subtests: Any) -> None:
            item.run_and_report(subtests)

        stash = parent.config.stash  # to find out what fixtures one wants takes pytest a while
        wants = stash.get(_FIXTURES, None)
        item: CaseItem = cls.from_parent(parent, name=case.number, callobj=judge, fixtureinfo=wants)
        stash[_FIXTURES] = item._fixtureinfo
        item.case = case
        for group in case.groups:
            item.extra_keyword_matches.add(group)
        return item

    @property
    def location(self) -> tuple[str, int | None, str]:
        """Where it is, as pytest tells it, which would look up the path that the node id has."""
        assert self.parent, "it has a file"
        return self.parent.nodeid, None, self.case.number

    @property
    def past(self) -> Past | None:
        """How it went; None before it has run."""
        if result := self.judged:
            return Past(round(result.seconds, 3), result.state is State.FAILED)
        return self._past

    @property
    def result(self) -> CaseResult:
        """What came of the case; waits for it."""
        if not self.judged:
            self.judged = self.config.stash[_AHEAD].result(self.case)
            self.user_properties.append((console.CASE, self.case.number))
        return self.judged

    def _tell(self) -> None:
        """Put what came of the case where its own report carries it."""
        self.user_properties.append((console.RESULT, self.result.as_dict()))

    def passes(self) -> bool:
        """Wait for the case; tell whether it passed. What was wrong is told by `run_and_report`."""
        try:
            passed = self.result.state is State.PASSED
        except UsageError:
            return False
        if passed:
            self._tell()
        return passed

    def forget(self) -> None:
        """Drop what was reported: there may be many cases, and pytest keeps them all."""
        self.user_properties.clear()
        self._past, self.judged = self.past, None

    def run_and_report(self, subtests: Any) -> None:
        """Report each section of the case as a subtest, then fail if anything did."""
        result = self.result
        shown, more = 0, []
        with suppress(SectionDiffers):  # with -x, pytest lets it out, and the case has its say yet
            for section in result.sections:
                title = printable(section.title)
                shown += not section.passed
                if shown > SHOWN and not section.passed:
                    more.append(f"  {section.file}:{section.line}: {title}")
                    continue
                with subtests.test(msg=title):
                    if not section.passed:
                        raise SectionDiffers(section.text)
        self._tell()  # after the sections, whose reports have no use for it
        if result.state is State.NOT_RUN:
            pytest.skip(printable(result.reason))
        if result.state is State.FAILED:
            if more:
                more.insert(0, f"{SHOWN} of them are shown; the others are:")
            raise CaseFailed("\n".join(_about_case(result, more)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, SectionDiffers | CaseFailed | UsageError):
            return for_terminal(here(str(excinfo.value)))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.case.number


def _about_case(result: CaseResult, more: Iterable[str]) -> list[str]:
    said = list(result.problems)
    if (failing := len(result.failing)) and not result.golden_missing:
        of = count(len(result.sections), "section")
        said.append(f"{failing} of {of} not as in {result.golden}")
    kept = [result.kept_files] if result.kept else []
    return [*said, *more, *kept, *result.about_runs]
