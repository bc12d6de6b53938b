# SPDX-License-Identifier: GPL-2.0-or-later
"""Every order of the lock calls of some programs, in a case."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock.case.output import Output
from goldlock.case.program import Program
from goldlock.errors import CaseError
from goldlock.lockcalls import FAULTS_VARIABLE
from goldlock.lockcalls.words import byte_words
from goldlock.orders.always import Predicate
from goldlock.orders.effects import POINTS
from goldlock.orders.explorer import ExploreError, Found, Pool, confirm, explore, pool
from goldlock.orders.jobs import LETTERS
from goldlock.orders.outcome import Outcome, indented
from goldlock.orders.programs import Programs
from goldlock.orders.report import claim, outcome_lines
from goldlock.orders.search import Choice

Call = str | Sequence[Program | str]
"""A program, and its arguments; or a string, whose words are those as a shell has them."""


class Asked(NamedTuple):
    """What is asked about the orders; the fields are the arguments of `Case.orders`."""

    outcome: str
    never: str
    switches: int | None
    points: str
    always: Predicate | None
    holders: bool


class Orders:
    """What a case asks for: see `Case.orders`."""

    def __init__(self, case: Output, programs: Mapping[str, Call], asked: Asked) -> None:
        if os.environ.get(FAULTS_VARIABLE):
            raise CaseError(
                "orders have a supervisor of their own; '# needs: orders' in the header"
            )
        if not 0 < len(programs) <= len(LETTERS):
            raise CaseError(f"orders are of 1 to {len(LETTERS)} programs, not {len(programs)}")
        self._case = case
        self._calls = {name: _words(call) for name, call in programs.items()}
        self._never = re.compile(asked.never, re.S | re.M) if asked.never else None
        self._choice = Choice(asked.switches)
        commands = tuple(map(_argv, self._calls.values()))
        if asked.points not in POINTS:
            raise CaseError(f"points: {', '.join(POINTS)}, not {asked.points}")
        self._programs = Programs(
            tuple(programs),
            commands,
            asked.outcome,
            byte_words(),
            asked.points,
            clean=case.stderr_output,
            always=asked.always,
            holders=asked.holders,
        )

    def run(self) -> None:
        """Run the orders, and show what can come of them; raise CaseError for what must not be."""
        for letter, (name, call) in zip(LETTERS, self._calls.items(), strict=False):
            self._case.log(f"{letter}  {name}: {_echo(call)}", self._case.paths)
        jobs = len(os.sched_getaffinity(0))
        try:
            with pool(self._programs, self._copy, jobs) as workers:
                found, wrong = self._explored(workers)
        except ExploreError as error:
            raise CaseError(str(error)) from None
        for number, outcome in enumerate(found.outcomes, 1):
            self._show(number, outcome)
        self._case.log(f"\n{claim(found, self._choice)}")
        bad = [
            f"outcome {i} must never be" for i, o in enumerate(found.outcomes, 1) if self._is_bad(o)
        ]
        if problems := [*wrong, *bad]:
            raise CaseError("; ".join(problems))

    def _copy(self, folder: Path) -> None:
        """Begin each order with what is in the case's directory now."""
        shutil.copytree(self._case.test_dir, folder, symlinks=True, dirs_exist_ok=True)

    def _explored(self, workers: Pool) -> tuple[Found, list[str]]:
        clean = self._case.stderr_output
        found = explore(workers, self._choice.search(), clean=clean)
        outcomes, wrong = confirm(workers, found.outcomes, clean)
        return found._replace(outcomes=outcomes), [*found.diverged, *wrong]

    def _is_bad(self, outcome: Outcome) -> bool:
        never = self._never and self._never.search(outcome.text)
        return bool(never) or outcome.failure == "broken"

    def _show(self, number: int, outcome: Outcome) -> None:
        lines = outcome_lines(outcome, self._programs.by_letter)
        text = indented("\n".join(lines))
        self._case.log(f"\noutcome {number}\n{text}", self._case.paths)


def _words(call: Call) -> Sequence[Program | str]:
    try:
        words = shlex.split(call) if isinstance(call, str) else call
    except ValueError as error:
        raise CaseError(f"{call}: {str(error).lower()}; write it as for a shell") from None
    if not words:
        raise CaseError("a program, and its arguments: none is given")
    return words


def _argv(call: Sequence[Program | str]) -> tuple[str, ...]:
    program, *arguments = call
    words = [str(word) for word in arguments]
    return tuple(program.argv(*words)) if isinstance(program, Program) else (program, *words)


def _echo(call: Sequence[Program | str]) -> str:
    program, *arguments = call
    words = [str(word) for word in arguments]
    return shlex.join((program.name if isinstance(program, Program) else program, *words))
