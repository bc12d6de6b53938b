# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of the runs of one case: one, or as many as a hunt for a race takes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldlock.result import CaseResult, State, share_of_runs
from goldlock.runner.history import LastRun, way_to_fail
from goldlock.settings import Settings
from goldlock.text import count

MAX_KEPT = 5
"""Runs that failed in different ways, of which the directories are kept."""

_KNOWN = (
    "it failed in the same sections in all runs of the last time: not run once more, which"
    " --repeat 2 does"
)


class RunStats:
    """Counts the runs of a case, and keeps those that are worth a look.

    *representative* is the first that failed, or else the first; None before there is one. *past*
    is how the case went the last time.
    """

    def __init__(self, planned: float, settings: Settings, past: LastRun | None = None) -> None:
        self.planned = planned
        """How many runs it takes; infinity for no end."""
        self._settings, self._past = settings, past
        self.representative: CaseResult | None = None
        self.passed: CaseResult | None = None
        """The first that passed, to hold a failure beside."""
        self.runs = 0
        self.failed = 0
        self._sections: Counter[str] = Counter()
        """In how many runs each section differed."""
        self._kinds: dict[str, str] = {}
        """The ways to fail, each with what was kept of one."""

    def add(self, result: CaseResult) -> bool:
        """Count a run; tell whether what it kept is worth keeping."""
        self.runs += 1
        if result.state is not State.FAILED:
            first, self.passed = self.passed is None, self.passed or result
            self.representative = self.representative or result
            return first
        self.failed += 1
        self._sections.update(section.title for section in result.failing)
        if self.failed == 1:
            self.representative = result
        kind = way_to_fail(result, self._settings)
        new = kind not in self._kinds and len(self._kinds) < MAX_KEPT
        if new:
            self._kinds[kind] = result.kept_files
        return new

    def plan_another(self) -> bool:
        """Plan one more run of a case that has always failed, to see if it does so again.

        Tells whether there is one: not where settings ask for runs, for faults, or for goldens;
        nor where it failed each time that it was run the last time, in this same way.
        """
        settings = self._settings
        asked = settings.repeats or settings.gdb or settings.faults or settings.writes
        wanted = not asked and self.failed == self.runs
        if wanted and self._past and self.representative and self._past.each_time in self._kinds:
            self.representative.notes.append(_KNOWN)
            wanted = False
        self.planned += wanted
        return wanted

    def result(self) -> CaseResult:
        """Return the run to show, of one or more, with what there is to tell of all."""
        assert self.representative, "asked for before there was one"
        self.representative.runs, self.representative.failed_runs = self.runs, self.failed
        if self.failed == self.runs and len(self._kinds) == 1:
            [self.representative.way] = self._kinds
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


def about_unfinished(left: Mapping[Path, RunStats], cut_off: Sequence[Path]) -> list[str]:
    """Return in words what nobody has asked for: cases that were cut off, or did not start."""
    said = []
    if cut := sorted(case_name(path) for path in cut_off if path in left):
        said.append(f"{' '.join(cut)} interrupted")
    for path, stats in left.items():
        if stats.runs and stats.planned > 1:
            said.append(f"{case_name(path)} failed in {stats.failed} of {stats.runs} runs")
    ended = {path: stats.representative for path, stats in left.items()}
    if updated := sorted(case_name(path) for path, run in ended.items() if run and run.update):
        said.append(f"{' '.join(updated)} updated, and not shown")
    if rest := sum(not stats.runs for path, stats in left.items() if path not in cut_off):
        said.append(f"{rest} not started")
    return said


def case_name(path: Path) -> str:
    """Return the name of a case, as it is called in one line with others."""
    return path.name.partition(".")[0]
