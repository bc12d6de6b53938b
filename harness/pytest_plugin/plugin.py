# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases as pytest items, their sections as subtests.

A failing section is a failing subtest on any pytest. Its parent, the case, is failed here,
too: pytest 9 does that by itself, pytest 8 with pytest-subtests does not.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol  # as other plugins with a protocol of their own do
from goldlock import atomic_file
from goldlock.errors import UsageError
from goldlock.pytest_plugin import console, leaks
from goldlock.pytest_plugin.ran_before import RanBefore
from goldlock.pytest_plugin.registration import start
from goldlock.pytest_plugin.run import RUN, past_of, say
from goldlock.reports import files
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State
from goldlock.runner.history import LastRun, in_best_order
from goldlock.runner.scheduler import Scheduler
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.text import count, for_terminal, printable

_SCHEDULER = pytest.StashKey[Scheduler]()
_FIXTURES = pytest.StashKey[Any]()
"""What all cases want of pytest's fixtures: ``subtests``."""
UNSOUND = pytest.StashKey[set[Path]]()
"""Cases that could not be collected, for their headers."""

SHOWN = 100
"""Sections of a case that are shown as they differ, past which they are only named."""


class SectionDiffers(Exception):
    """A section is not as in the golden; the message is what to show."""


class CaseFailed(Exception):
    """A case failed; the message is what to show, beside its sections."""


_TOLD = (SectionDiffers, CaseFailed, UsageError, pytest.fail.Exception)
"""Exceptions whose message is all that there is to show."""


def pytest_configure(config: pytest.Config) -> None:
    """Make what runs the cases, unless cases run already."""
    run = config.stash[RUN]
    config.stash[_SCHEDULER] = run.scheduler or Scheduler(run.settings, os.environ)
    config.pluginmanager.register(console.Summary(), "goldlock-summary")
    config.pluginmanager.register(leaks.Leaks(config.stash[_SCHEDULER]))
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(RanBefore(config), "goldlock-ran-before")
    try:
        _check_xdist(config)
        if run.settings.review:
            _prepare_review(config, run.settings, plain=not run.by_command)
    except UsageError as error:
        raise pytest.UsageError(printable(str(error))) from None


def _check_xdist(config: pytest.Config) -> None:
    root = str(config.rootpath)
    is_utf_8 = root.encode(errors="replace") == os.fsencode(root)
    if config.getoption("dist", "no") != "no" and not is_utf_8:
        raise UsageError(
            f"pytest-xdist (-n) takes no path that is not UTF-8: {printable(root)};"
            " -j runs cases side by side, too"
        )


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
    if not (hasattr(session.config, "workerinput") or session.config.option.collectonly):
        _clear_temporary_files(session)
        scheduler = session.config.stash[_SCHEDULER]
        cases = [item.case for item in session.items if isinstance(item, CaseItem)]
        if scheduler.settings.jobs != 1:
            cases = in_best_order(cases, past_of(session.config))
        scheduler.start(cases)


def _clear_temporary_files(session: pytest.Session) -> None:
    """Remove what runs that were killed have left half written, and name it."""
    roots = {item.case.root for item in session.items if isinstance(item, CaseItem)}
    folders = {root / name for root in roots for name in ("", "expected")}
    folders |= {
        path.parent for path in files.asked(session.config.stash[RUN].settings.reports).values()
    }
    for path in sorted(path for folder in folders for path in atomic_file.clear(folder)):
        say(session.config, f"cleared, left by a run that was killed: {path}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Call cases that are not sound a wrong use, where to pytest they are an interruption."""
    unsound = session.config.stash.get(UNSOUND, set())
    interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
    if interrupted and unsound and len(unsound) == session.testsfailed:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    scheduler = config.stash[_SCHEDULER]
    if unfinished := scheduler.unfinished():
        terminalreporter.write_line(f"not finished: {'; '.join(unfinished)}", yellow=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if scheduler := config.stash.get(_SCHEDULER, None):
        scheduler.close()
        for line in scheduler.unclean:
            print(printable(here(line)), file=sys.stderr)  # noqa: T201 - pytest has said all


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is under test, also where pytest's own header is switched off."""
    is_distributed = session.config.getoption("dist", "no") != "no"  # and collected elsewhere
    run = session.config.stash[RUN]
    if run.by_command or is_distributed:
        _begin(session.config, run.cases)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: Sequence[pytest.Item]) -> None:
    """In a project, say so only if there are cases among the tests."""
    config = session.config
    known = config.stash[RUN].by_command or config.option.collectonly
    cases = [item.case for item in items if isinstance(item, CaseItem)]
    if cases and not known:
        _begin(config, lambda: cases)


def _begin(config: pytest.Config, find_cases: Callable[[], Sequence[Case]]) -> None:
    """Say what the cases are to be run with."""
    scheduler = config.stash[_SCHEDULER]
    try:
        context = scheduler.context
        programs = context.programs_of(find_cases())
    except UsageError as error:
        raise pytest.UsageError(printable(str(error))) from None
    if not hasattr(config, "workerinput"):
        start(config, scheduler.settings, programs, scheduler.running, context.notes)


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


class CaseItem(pytest.Function):
    """One case. It is a pytest.Function for the sake of the ``subtests`` fixture."""

    case: Case
    judged: CaseResult | None = None
    """What came of it; None before it was asked for, and once it is forgotten."""
    _given_up: BaseException | None = None
    _past: LastRun | None = None

    @classmethod
    def of(cls, parent: pytest.File, case: Case) -> "CaseItem":
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
    def past(self) -> LastRun | None:
        """How it went; None before it has run."""
        if result := self.judged:
            return LastRun(round(result.seconds, 3), result.state is State.FAILED)
        return self._past

    @property
    def result(self) -> CaseResult:
        """What came of the case; waits for it."""
        if self._given_up:
            raise self._given_up
        if not self.judged:
            self.judged = self.config.stash[_SCHEDULER].result(self.case)
            self.user_properties.append((console.CASE, self.case.number))
        return self.judged

    def _tell(self) -> None:
        """Put what came of the case where its own report carries it."""
        self.user_properties.append((console.RESULT, self.result.as_dict()))

    def passes(self) -> bool:
        """Wait for the case; tell whether it passed. What was wrong is told by `run_and_report`."""
        try:
            passed = self.result.state is State.PASSED and not self.result.skipped
        except UsageError:
            return False
        except pytest.fail.Exception as error:  # of pytest-timeout, which ends the wait for it
            self._given_up = error
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
            for part in result.skipped:
                with subtests.test(msg=printable(part)):
                    pytest.skip(printable(part))
        self._tell()  # after the sections, whose reports have no use for it
        if result.state is State.NOT_RUN:
            pytest.skip(printable(result.reason))
        if result.state is State.FAILED:
            if more:
                more.insert(0, f"{SHOWN} of them are shown; the others are:")
            raise CaseFailed("\n".join(_about_case(result, more)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, _TOLD):
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
