# SPDX-License-Identifier: GPL-2.0-or-later
"""In which order cases are run, how often, and what is remembered of them for that."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from goldlock import atomic_file, safe_open
from goldlock.result import CaseResult, State
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.kit import given
from goldlock.suite.project import cache_folder


class LastRun(NamedTuple):
    """How a case went when it was last run."""

    seconds: float
    failed: bool
    each_time: str = ""
    """`CaseResult.way`, where it failed so however often it was run; else nothing."""


HISTORY = "d/goldlock/history"
"""The file in pytest's cache with the past of cases, by their paths below pytest's root."""


def read_history(root: Path) -> dict[str, LastRun]:
    """Return the past of cases that the command has run; of none where it is damaged."""
    return read(cache_folder(root) / HISTORY, root)


def read(file: Path, root: Path) -> dict[str, LastRun]:
    """Return the past of cases by their whole paths, from a file with those below *root*."""
    try:
        known = json.loads(safe_open.read(file))
        return {
            os.path.join(root, path): LastRun(float(seconds), bool(failed), *map(str, more))  # noqa: PTH118 - of thousands
            for path, (seconds, failed, *more) in known.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def write(file: Path, root: Path, known: Mapping[str, LastRun]) -> None:
    """Write down the past of cases; raises OSError."""
    past = {path.removeprefix(f"{root}/"): each for path, each in known.items()}
    atomic_file.replace(file, json.dumps(past).encode())


def way_to_fail(result: CaseResult, settings: Settings) -> str:
    """Return a short word for how a case failed, and with which options.

    It is the same where the same sections differ: what stands there often has the number of a
    process in it, or is more or less.
    """
    differing = [section.title for section in result.failing]
    problems = [problem.partition("\n")[0] for problem in result.problems]
    options = [*given(settings), *settings.faults, *settings.wrap]
    told = [differing, problems, options, settings.stress, settings.valgrind]
    return f"{crc32(json.dumps(told).encode()):08x}"


def of(result: CaseResult, before: LastRun | None) -> LastRun:
    """Return what is to be remembered of a case; *before* is what was until now.

    One that was not run is taken to be as it was when it was. A single failure says that a case
    fails each time only where that was known, and the way to fail is the same.
    """
    if before and result.state is State.NOT_RUN:
        return before._replace(failed=False)
    known = result.runs > 1 or (before and before.each_time == result.way)
    failed = result.state is State.FAILED
    return LastRun(round(result.seconds, 3), failed, result.way if known else "")


def in_best_order(cases: Sequence[Case], past: Mapping[str, LastRun]) -> list[Case]:
    """Return what failed last time first, what is new next, then the longest first.

    A long case that is started last is what a run with several jobs would wait for.
    """
    new = LastRun(float("inf"), failed=False)

    def rank(case: Case) -> tuple[bool, float]:
        known = past.get(str(case.path), new)
        return not known.failed, -known.seconds

    return sorted(cases, key=rank)


def runs_of_each(settings: Settings) -> float:
    """Return how often each case is run; infinity, unless something fails first."""
    if settings.repeat:
        return settings.repeat
    return float("inf") if settings.until_fail else 1


def rounds(cases: Sequence[Case], settings: Settings) -> Iterator[list[Case]]:
    """Yield the cases as often as they are to be run, each time all of them.

    With a seed, each time in another order, and the same orders for the same seed.
    """
    wanted = runs_of_each(settings)
    if settings.seed is None:
        yield from (list(cases) for _ in takewhile(lambda number: number < wanted, count()))
        return
    from random import Random  # takes longer to load than a quick case to run

    source = Random(settings.seed)
    cases = sorted(cases, key=lambda case: case.name)  # whatever the order was until now
    for _ in takewhile(lambda number: number < wanted, count()):
        yield source.sample(cases, len(cases))
