# SPDX-License-Identifier: GPL-2.0-or-later
r"""What came of a case, and what a run was made of: plain data, for reports of any format.

All of it goes into JSON as it is, and all text is printable: what a program wrote that is not
stands as ``\x1b``.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from goldlock import safe_open
from goldlock.goldens import diff
from goldlock.goldens.diff import Difference, Line
from goldlock.goldens.judge import State
from goldlock.pytest_plugin.console import share_of_runs
from goldlock.reports import provenance
from goldlock.runner.case_run import LOG, Ran
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.programs import Programs

LOG_LIMIT = 64 * 1024
"""Bytes of a log, from its end, that are reported."""

CUT = "... ("
"""What the log begins with when not all of it is reported."""

ROW_LIMIT = 500
"""Lines of a section's difference, or of what was updated, that are reported."""

Row = tuple[str, int | None, str]
"""A line of a difference: mark, number and text as in `explain.Line`."""


class SectionRecord(TypedDict):
    """A section: its title, and how it differs from the golden, if it does.

    *line* is that of *file*, from 1; 0 and nothing where nothing differs. The file is the golden,
    or the case's script where there is no golden. *text* is what the console
    shows, *rows* the same line by line.
    """

    title: str
    passed: bool
    file: str
    line: int
    message: str
    text: str
    rows: list[Row]


class CaseRecord(TypedDict):
    """A case that was judged.

    *state* is a word of `judge.State`. *seconds* it took, *last* when it was last run; *started*
    is in seconds since the epoch, 0 for what did not start. Each of *problems* may have lines.
    *update* is the diff of a golden that was written anew. *log* is the end of what programs were
    told and said before any filter, where it was kept or asked for. *failed_runs* of *runs* failed
    where a case was run more than once; what else is told is of one of them.
    """

    number: str
    path: str
    groups: list[str]
    state: str
    seconds: float
    last: float | None
    started: float
    golden: str
    sections: list[SectionRecord]
    problems: list[str]
    reason: str
    update: str
    kept: str
    log: str
    runs: int
    failed_runs: int


class OtherRecord(TypedDict):
    """A failure that is not a case's: a golden without a case, a case that cannot be read."""

    path: str
    text: str


class RunRecord(TypedDict):
    """What a run was made of. *started* is in seconds since the epoch, *cases* how many.

    *options* choose what is under test, *how* tells how it was run. *commit* is the suite's, *job*
    an address; both are empty where they are not known.
    """

    suite: str
    root: str
    started: float
    programs: dict[str, str]
    facts: dict[str, Any]
    rows: list[tuple[str, str]]
    heading: list[str]
    options: list[str]
    how: list[str]
    host: str
    commit: str
    job: str
    cases: int


class EndRecord(TypedDict):
    """How a run ended. *stopped* says that not all was judged."""

    seconds: float
    status: int
    stopped: bool


class Report(TypedDict):
    """All that a report can be made of."""

    run: RunRecord
    cases: list[CaseRecord]
    others: list[OtherRecord]
    end: EndRecord


def of_case(
    case: Case, ran: Ran, differences: Sequence[Difference | None], runs: tuple[int, int] = (1, 0)
) -> CaseRecord:
    """Make the record of a case; *differences* go with the sections of its verdict.

    *runs* tells how many there were, and how many of them failed, where there was more than one.
    """
    verdict = ran.verdict
    return {
        "number": case.number,
        "path": str(case.path),
        "groups": list(case.groups),
        "state": verdict.state.value,
        "seconds": round(ran.seconds, 6),
        "last": None,  # whoever puts the reports together knows
        "started": ran.started,
        "golden": str(verdict.golden),
        "sections": [
            of_section(section.title, difference)
            for section, difference in zip(verdict.sections, differences, strict=True)
        ],
        "problems": [clean(problem) for problem in verdict.problems],
        "reason": clean(verdict.reason),
        "update": clean(_head(verdict.update)),
        "kept": str(ran.kept or ""),
        "log": _log(ran),
        "runs": runs[0],
        "failed_runs": runs[1] if runs[0] > 1 else int(verdict.state is State.FAIL),
    }


def of_section(title: str, difference: Difference | None) -> SectionRecord:
    """Make the record of a section."""
    if difference and (more := len(difference.lines) - ROW_LIMIT) > 0:
        note = Line("?", None, f"... and {more} more lines")
        difference = difference._replace(lines=[*difference.lines[:ROW_LIMIT], note])
    return {
        "title": diff.printable(title),
        "passed": difference is None,
        "file": str(difference.file) if difference else "",
        "line": difference.line if difference else 0,
        "message": difference.message if difference else "",
        "text": str(difference) if difference else "",
        "rows": [(*line,) for line in difference.lines] if difference else [],
    }


def of_run(  # noqa: PLR0913, PLR0917 - each is of another source
    root: Path,
    settings: Settings,
    programs: Programs,
    given: Sequence[str],
    now: float,
    environ: Mapping[str, str],
) -> RunRecord:
    """Make the record of a run that begins *now*; how many cases it has is not known yet.

    *given* are the options of kits that are not as by default.
    """
    return {
        "suite": root.name,
        "root": str(root),
        "started": now,
        "programs": {name: str(path) for name, path in programs.paths.items()},
        "facts": dict(programs.facts),
        "rows": [*programs.rows],
        "heading": [*programs.heading],
        "options": _options(root, settings, given),
        "how": provenance.how(settings),
        "host": provenance.host(),
        "commit": provenance.commit(root),
        "job": provenance.job(environ),
        "cases": 0,
    }


def _options(root: Path, settings: Settings, given: Sequence[str]) -> list[str]:
    """Return the options that repeat the choice of what is under test."""
    options = [] if (root / "run_tests.py").exists() else ["--suite", str(root)]
    options += given
    return [*options, "--variant", settings.variant] if settings.variant else options


def command(run: RunRecord, *words: str) -> str:
    """Return the command that runs what *words* ask for as this run did."""
    from shlex import join  # only reports want it

    return join(["./run_tests.py", *run["options"], *words])


def once_more(run: RunRecord, *cases: CaseRecord) -> str:
    """Return the command that runs *cases* again, as often, under the same stress."""
    runs = max(case["runs"] for case in cases)
    often = ["--repeat", str(runs)] if runs > 1 else []
    stress = ["--stress"] if "--stress" in run["how"] else []
    return command(run, *(case["number"] for case in cases), *often, *stress)


def flaky(case: CaseRecord) -> str:
    """Return ``FLAKY: failed in 3 of 8 runs (37.5 %)``; nothing for a case that is not."""
    failed, runs = case["failed_runs"], case["runs"]
    return share_of_runs(failed, runs) if 0 < failed < runs else ""


def clean(text: str) -> str:
    """Return *text* with each of its lines printable."""
    return "\n".join(diff.printable(line) for line in text.split("\n"))


def _head(text: str) -> str:
    lines = text.split("\n", ROW_LIMIT)
    more = lines.pop().count("\n") + 1 if len(lines) > ROW_LIMIT else 0
    return "\n".join([*lines, *([f"... and {more} more lines"] if more else [])])


def _log(ran: Ran) -> str:
    """Return the end of a case's log, in whole lines."""
    size, text = len(ran.log), ran.log[-LOG_LIMIT:]
    if ran.kept:
        with suppress(OSError), safe_open.open_file(ran.kept / LOG) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_LIMIT))
            text = file.read(LOG_LIMIT).decode("utf-8", "surrogateescape")
    if size > LOG_LIMIT:
        text = f"{CUT}{size - LOG_LIMIT} bytes before)\n{text.partition(chr(10))[2]}"
    return clean(text).rstrip("\n")
