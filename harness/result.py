# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of a case, and of a run: one type from where a case was judged to each report.

`CaseResult.as_dict` is plain data, for reports that come from another process and for JSON.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from goldlock.text import count, for_json, printable

CUT = "... ("
"""What a log begins with when not all of it is reported."""

Mark = Literal[" ", "-", "+", "?", "."]


class State(StrEnum):
    """How a case ended."""

    FAILED = "failed"
    PASSED = "passed"
    NOT_RUN = "not run"


class Row(NamedTuple):
    """A line to show: of the golden (" " or "-"), of the output ("+"), or about them ("?").

    "." stands for lines that are left out.
    """

    mark: Mark
    number: int | None
    """The number of a golden's line."""
    text: str

    def __str__(self) -> str:
        if self.mark == ".":
            return "    ..."
        return f"{self.mark} {self.number or '':>5}  {printable(self.text)}".rstrip()


class Change(NamedTuple):
    """Lines *start* up to *stop* of the golden (from 0) stand as *got* in the output."""

    start: int
    stop: int
    got: tuple[str, ...]


@dataclass(slots=True)
class SectionResult:
    """What became of one section: no *changes* means that it is as in the golden.

    *line* is that of *file*, from 1: of the golden, or of the case's script where there is no
    golden. *message* says in a line how the section differs, *rows* line by line. *missing* says
    that no line of the golden's section is in the output; the rows go without saying then.
    """

    title: str
    changes: list[Change] = field(default_factory=list)
    missing: bool = False
    file: str = ""
    line: int = 0
    message: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether it is as in the golden."""
        return not (self.changes or self.message)

    @property
    def text(self) -> str:
        """Name file and line; then show the changes, each with the lines around it."""
        if self.passed:
            return ""
        head = f"{printable(self.file)}:{self.line}: {self.message}"
        return "\n".join([head, *([] if self.missing else map(str, self.rows))])

    def as_dict(self) -> dict[str, Any]:
        """Return all but the changes, which `from_dict` does not need to know that it differs."""
        return {
            "title": printable(self.title),
            "passed": self.passed,
            "file": printable(self.file),
            "line": self.line,
            "message": self.message,
            "text": self.text,
            "rows": [(mark, number, printable(text)) for mark, number, text in self.rows],
            "missing": self.missing,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was called of."""
        rows = [Row(*row) for row in data["rows"]]
        known = {name: data[name] for name in ("title", "missing", "file", "line", "message")}
        return cls(**known, rows=rows)


@dataclass(slots=True)
class CaseResult:
    """A case that was judged, or could not be run.

    *title* is what it is about. *seconds* it took, *last* when it was last run; *started* is by the
    monotonic clock, in a report in seconds since the epoch, 0 for what did not start: a clock that
    is set during a run moves no case. *sections* are those of the
    output, then those that are missing in it. Each of *problems*, which concern the case as a
    whole, may have lines. *notes* tell what is no failure, *skipped* which parts of the case were
    left out, and why, a line each. *reason* tells why it was not run. *update* is the change that
    was made to the golden, as a diff. *kept* is the directory that was kept, *kept_files* tells
    what to look at in it. *log* is the end of what programs were told and said before any filter,
    where it was kept or asked for, *shown* all that was asked for.

    *failed_runs* of *runs* failed where a case was run more than once, *about_runs* tells of them
    in lines; what else is told is of one of them. *way* is a word for how all runs failed, where it
    was in one and the same way.
    """

    name: str
    path: str
    golden: str
    groups: Sequence[str] = ()
    title: str = ""
    seconds: float = 0.0
    last: float | None = None
    started: float = 0.0
    sections: list[SectionResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    reason: str = ""
    update: str = ""
    kept: str = ""
    kept_files: str = ""
    log: str = ""
    shown: str = ""
    runs: int = 1
    failed_runs: int = 0
    about_runs: Sequence[str] = ()
    way: str = ""

    # Not for other processes than the runner's:
    completed: bool = False
    """Whether the case came to its end, and did nothing wrong on its way there."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Which program made the files that it left outside of its directories, where that is known."""
    golden_missing: bool = False
    no_golden: list[str] = field(default_factory=list)
    """Why what it printed can be no golden, each with lines to show; for a review."""
    golden_lines: Sequence[str] = ()
    """The golden's lines, if a section differs, ..."""
    golden_files: Sequence[str] = ()
    """... and the files that they are made of: variants, and the plain one."""

    @property
    def failing(self) -> list[SectionResult]:
        """The sections that differ from the golden."""
        return [section for section in self.sections if not section.passed]

    @property
    def state(self) -> State:
        """The verdict in one word."""
        if self.problems or self.failing:
            return State.FAILED
        return State.NOT_RUN if self.reason else State.PASSED

    @property
    def flaky(self) -> str:
        """``FLAKY: failed in 3 of 8 runs (37.5 %)``; nothing for a case that is not."""
        failed, runs = self.failed_runs, self.runs
        return share_of_runs(failed, runs) if 0 < failed < runs else ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, all of its text printable."""
        told: dict[str, Any] = for_json({name: getattr(self, name) for name in _TOLD})
        told["sections"] = [section.as_dict() for section in self.sections]
        return {**told, "state": str(self.state)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was called of, but for what is not for other processes."""
        known = {name: value for name, value in data.items() if name not in ("state", "sections")}
        return cls(**known, sections=[SectionResult.from_dict(each) for each in data["sections"]])


_TOLD = (
    *("name", "path", "title", "groups", "seconds", "last", "started", "golden", "problems"),
    *("reason", "notes", "skipped", "update", "kept", "kept_files", "log", "shown"),
    *("runs", "failed_runs", "about_runs", "way"),
)
"""What of a result is for other processes than the runner's, beside its sections."""


def share_of_runs(failed: int, runs: int) -> str:
    """Return how many runs failed; those of a flaky case with their share."""
    if not failed:
        return count(runs, "run")
    if failed == runs:
        return f"failed in each of {count(runs, 'run')}"
    return f"FLAKY: failed in {failed} of {count(runs, 'run')} ({failed / runs * 100:.3g} %)"


@dataclass(slots=True)
class OtherFailure:
    """A failure that is not a case's: a golden without a case, a case that cannot be read."""

    path: str
    text: str


@dataclass(slots=True)
class RunInfo:
    """What a run was made of. *started* is in seconds since the epoch, *cases* how many.

    *programs* are those under test, by their names; *heading* tells of them in lines, *facts* tells
    programs, and *rows* tells people: a label and a text each. *typed* is the command that people
    type, *options* choose what is under test, *how* tells how it was run. *commit* is the suite's,
    *job* an address; both are empty where they are not known.
    """

    suite: str
    root: str
    started: float = 0.0
    programs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)
    typed: str = "goldlock"
    options: list[str] = field(default_factory=list)
    how: list[str] = field(default_factory=list)
    host: str = ""
    commit: str = ""
    job: str = ""
    cases: int = 0

    def command(self, *words: str) -> str:
        """Return the command that runs what *words* ask for as this run did."""
        return shlex.join([self.typed, *self.options, *words])

    def rerun_command(self, *cases: CaseResult) -> str:
        """Return the command that runs *cases* again, as often, under the same stress."""
        runs = max(case.runs for case in cases)
        often = ["--repeat", str(runs)] if runs > 1 else []
        stress = ["--stress"] if "--stress" in self.how else []
        return self.command(*(case.name for case in cases), *often, *stress)


@dataclass(slots=True)
class RunEnd:
    """How a run ended. *stopped* says that not all was judged."""

    seconds: float = 0.0
    status: int = 0
    stopped: bool = True


@dataclass(slots=True)
class Report:
    """All that a report can be made of."""

    run: RunInfo
    cases: list[CaseResult] = field(default_factory=list)
    others: list[OtherFailure] = field(default_factory=list)
    end: RunEnd = field(default_factory=RunEnd)

    def number_of(self, state: State) -> int:
        """Return how many cases ended so."""
        return sum(case.state is state for case in self.cases)
