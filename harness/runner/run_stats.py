# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of the runs of one case: one, or as many as a hunt for a race takes."""

from collections import Counter
from pathlib import Path

from goldlock.goldens.judge import State
from goldlock.runner.case_run import Ran

SHOWN = 5
"""Runs that failed in different ways, of which the directories are kept."""


class Tally:
    """Counts the runs of a case, and keeps those that are worth a look.

    *shown* is the first that failed, or else the first; None before there is one.
    *other_ways* are the directories of runs that failed in other ways.
    """

    def __init__(self, wanted: float) -> None:
        self.wanted = wanted
        """How many runs it takes; infinity for no end."""
        self.shown: Ran | None = None
        self.passed: Ran | None = None
        """The first that passed, to hold a failure beside."""
        self.runs = 0
        self.failed = 0
        self.other_ways: list[Path] = []
        self.sections: Counter[str] = Counter()
        """In how many runs each section differed."""
        self._ways: set[tuple[str, ...]] = set()

    def add(self, ran: Ran) -> bool:
        """Count a run; tell whether what it kept is worth keeping."""
        self.runs += 1
        if ran.verdict.state is not State.FAIL:
            first, self.passed = self.passed is None, self.passed or ran
            self.shown = self.shown or ran
            return first
        self.failed += 1
        titles = [section.title for section in ran.verdict.failing]
        self.sections.update(titles)
        if self.failed == 1:
            self.shown = ran
        way = (*titles, *(problem.split("\n")[0] for problem in ran.verdict.problems))
        new = way not in self._ways and len(self._ways) < SHOWN
        if new:
            self._ways.add(way)
            if ran.kept and self.failed > 1:
                self.other_ways.append(ran.kept)
        return new

    @property
    def ran(self) -> Ran:
        """The run to show, of one or more."""
        assert self.shown, "asked for before there was one"
        return self.shown
