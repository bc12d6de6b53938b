# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of the runs of one case: one, or as many as a hunt for a race takes."""

from collections import Counter

from goldlock.result import CaseResult, State, share_of_runs
from goldlock.settings import Settings
from goldlock.text import count

MAX_KEPT = 5
"""Runs that failed in different ways, of which the directories are kept."""


class RunStats:
    """Counts the runs of a case, and keeps those that are worth a look.

    *representative* is the first that failed, or else the first; None before there is one.
    """

    def __init__(self, planned: float) -> None:
        self.planned = planned
        """How many runs it takes; infinity for no end."""
        self.representative: CaseResult | None = None
        self.passed: CaseResult | None = None
        """The first that passed, to hold a failure beside."""
        self.runs = 0
        self.failed = 0
        self._sections: Counter[str] = Counter()
        """In how many runs each section differed."""
        self._kinds: dict[tuple[str, ...], str] = {}
        """The ways to fail, each with what was kept of one."""

    def add(self, result: CaseResult) -> bool:
        """Count a run; tell whether what it kept is worth keeping."""
        self.runs += 1
        if result.state is not State.FAILED:
            first, self.passed = self.passed is None, self.passed or result
            self.representative = self.representative or result
            return first
        self.failed += 1
        titles = [section.title for section in result.failing]
        self._sections.update(titles)
        if self.failed == 1:
            self.representative = result
        kind = (*titles, *(problem.split("\n")[0] for problem in result.problems))
        new = kind not in self._kinds and len(self._kinds) < MAX_KEPT
        if new:
            self._kinds[kind] = result.kept_files
        return new

    def plan_another(self, settings: Settings) -> bool:
        """Plan one more run of a case that has always failed, to see if it does so again.

        Tells whether there is one: not where *settings* ask for runs, for faults, or for goldens.
        """
        writing = settings.update or settings.review
        asked = settings.repeats or settings.gdb or settings.faults or writing
        wanted = not asked and self.failed == self.runs
        self.planned += wanted
        return wanted

    def result(self) -> CaseResult:
        """Return the run to show, of one or more, with what there is to tell of all."""
        assert self.representative, "asked for before there was one"
        self.representative.runs, self.representative.failed_runs = self.runs, self.failed
        if self.planned > 1:
            self.representative.about_runs = self._about()
        return self.representative

    def _about(self) -> list[str]:
        said = [share_of_runs(self.failed, self.runs)]
        for title, times in self._sections.most_common():
            said.append(f"  in {count(times, 'run')}: {title}")
        said += filter(None, [*self._kinds.values()][1:])
        if self.passed and self.passed.kept:
            said.append(f"a run that passed, {self.passed.kept_files}")
        return said
