# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases as pytest items, their sections as subtests.

A failing section is a failing subtest on any pytest. Its parent, the case, is failed here,
too: pytest 9 does that by itself, pytest 8 with pytest-subtests does not.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol  # as other plugins with a protocol of their own do
from goldlock.errors import UsageError
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.run import RUN, SCHEDULER
from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, State
from goldlock.suite.cases import Case
from goldlock.text import count, for_terminal, printable

_FIXTURES = pytest.StashKey[Any]()
"""What all cases want of pytest's fixtures: ``subtests``."""

_MARKS = {"skip", "skipif", "xfail"}
"""Marks that a project's conftest.py may give to a case, for pytest itself to heed."""

SHOWN = 100
"""Sections of a case that are shown as they differ, past which they are only named."""


class SectionDiffers(Exception):
    """A section is not as in the golden; the message is what to show."""


class CaseFailed(Exception):
    """A case failed; the message is what to show, beside its sections."""


_TOLD = (SectionDiffers, CaseFailed, UsageError, pytest.fail.Exception)
"""Exceptions whose message is all that there is to show."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report a case that passed, or was not run, in one step: no fixtures, no captured output.

    That is most of what pytest does for an item, and a quick case takes no longer. A case that
    failed, or has subtests that were skipped, goes the whole way.
    """
    if not isinstance(item, CaseItem):
        return None
    hooks = item.ihook  # looked up anew each time
    hooks.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    only_shown = item.config.getoption("setuponly", default=False)  # --setup-only, --setup-plan
    state = None if item.is_marked or only_shown else item.plain_state()
    if state:
        skipped = state is State.NOT_RUN
        report = pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            outcome="skipped" if skipped else "passed",
            longrepr=(item.location[0], 0, f"Skipped: {item.reason}") if skipped else None,
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

    @classmethod
    def of(cls, parent: pytest.File, case: Case) -> "CaseItem":
        """Make the item of a case."""

        def judge(subtests: Any) -> None:
            item.run_and_report(subtests)

        stash = parent.config.stash  # to find out what fixtures one wants takes pytest a while
        wants = stash.get(_FIXTURES, None)
        item: CaseItem = cls.from_parent(parent, name=case.name, callobj=judge, fixtureinfo=wants)
        wants = stash[_FIXTURES] = item._fixtureinfo
        wants.names_closure[:] = wants.argnames  # and no autouse one: these are for the tests
        item.case = case
        for group in case.groups:
            item.extra_keyword_matches.add(group)
        return item

    @property
    def location(self) -> tuple[str, int | None, str]:
        """Where it is, as pytest tells it, which would look up the path that the node id has."""
        assert self.parent, "it has a file"
        return self.parent.nodeid, None, self.case.name

    @property
    def is_marked(self) -> bool:
        """Tell whether it has a mark by which pytest may not run it, or expect it to fail."""
        return any(mark.name in _MARKS for mark in self.iter_markers())

    @property
    def result(self) -> CaseResult:
        """What came of the case; waits for it."""
        if self._given_up:
            raise self._given_up
        if not self.judged:
            self.judged = self.config.stash[SCHEDULER].result(self.case)
            self.user_properties.append((console.CASE, self.case.name))
        return self.judged

    def _tell(self) -> None:
        """Put what came of the case where its own report carries it."""
        self.user_properties.append((console.RESULT, self.result.as_dict()))

    @property
    def reason(self) -> str:
        """Why the case was not run."""
        return printable(self.result.reason)

    def plain_state(self) -> State | None:
        """Wait for the case; return its state. None where `run_and_report` has more to tell."""
        try:
            result = self.result
        except UsageError:
            return None
        except pytest.fail.Exception as error:  # of pytest-timeout, which ends the wait for it
            self._given_up = error
            return None
        if result.state is State.FAILED or result.skipped:
            return None
        self._tell()
        return result.state

    def forget(self) -> None:
        """Drop what was reported: there may be many cases, and pytest keeps them all."""
        self.user_properties.clear()
        self.judged = None

    def run_and_report(self, subtests: Any) -> None:
        """Report each section of the case as a subtest, then fail if anything did."""
        result = self.result
        shown, more, is_marked = 0, [], self.is_marked
        with suppress(SectionDiffers):  # with -x, pytest lets it out, and the case has its say yet
            for section in result.sections:
                title = printable(section.title)
                shown += not section.passed
                if shown > SHOWN and not section.passed:
                    more.append(f"  {section.file}:{section.line}: {title}")
                    continue
                if section.passed and is_marked:
                    continue  # it is the case that is expected to fail, not each section
                with subtests.test(msg=title):
                    if not section.passed:
                        raise SectionDiffers(section.text)
            for part in result.skipped:
                with subtests.test(msg=printable(part)):
                    pytest.skip(printable(part))
        self._tell()  # after the sections, whose reports have no use for it
        if result.state is State.NOT_RUN:
            pytest.skip(self.reason)
        if result.state is State.FAILED:
            if more:
                more.insert(0, f"{SHOWN} of them are shown; the others are:")
            worded = self.config.stash[RUN].worded
            raise CaseFailed("\n".join(_about_case(result, more, worded)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, _TOLD):
            return for_terminal(here(str(excinfo.value)))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.case.name


def _about_case(result: CaseResult, more: Iterable[str], worded: Callable[[str], str]) -> list[str]:
    said = [*map(worded, result.problems)]
    if (failing := len(result.failing)) and not result.golden_missing:
        of = count(len(result.sections), "section")
        said.append(f"{failing} of {of} not as in {result.golden}")
    kept = [result.kept_files] if result.kept else []
    return [*said, *more, *kept, *result.about_runs]
