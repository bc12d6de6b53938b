# SPDX-License-Identifier: GPL-2.0-or-later
"""All permutations of the steps of some sessions, in the manner of PostgreSQL's isolationtester.

There, sessions are of one server (src/test/isolation). Here they are programs, which meet in locks
on files. Each permutation begins with what is in the case's directory now, in a copy of it.
"""

import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing
from math import inf
from pathlib import Path

from goldlock import filters
from goldlock.case import stack_dump
from goldlock.case.output import Output
from goldlock.case.permutation import Permutation, Ran, Steps
from goldlock.errors import CaseError, choice
from goldlock.lockcalls import FAULTS_VARIABLE
from goldlock.lockcalls.words import byte_words
from goldlock.orders import shell
from goldlock.orders.history import interleavings
from goldlock.orders.scratch import copy_tree
from goldlock.orders.spoken import SLEEPS, SilentError, Spoken
from goldlock.orders.stage import Stage
from goldlock.orders.starter import Starter, UnavailableError
from goldlock.text import count

MOST = 1000
"""Permutations, at most: nobody reads a golden of more."""


class Permutations:
    """What a case asks for: see `Case.permutations`."""

    def __init__(self, case: Output, sessions: Sequence[Steps], outcome: str) -> None:
        if os.environ.get(FAULTS_VARIABLE):
            raise CaseError(
                "permutations have a supervisor of their own; '# needs: orders' in the header"
            )
        self._case = case
        self._outcome = outcome
        self._sessions = {each.name: each for each in sessions}
        self._steps = [step for each in sessions for step in each.steps]
        if not sessions:
            raise CaseError("permutations are of some sessions")
        if twice := _twice([each.name for each in sessions]):
            raise CaseError(f"two sessions have the name {twice}: name= tells them apart")
        if twice := _twice(self._steps):
            raise CaseError(f"two sessions have a step {twice}: each name is of one session")
        for each in sessions:
            _check(each)
        if any(step.split() != [step] for step in self._steps):
            raise CaseError("the name of a step is one word")
        self._folder = Path(case.test_dir).with_name("permutation")
        self._starters: dict[str, Starter] = {}
        self._words = byte_words()

    def run(self, orders: Sequence[str] | None) -> None:
        """Run the permutations, and show each of them; raise CaseError for what goes wrong."""
        if orders is not None and not orders:
            raise CaseError("orders= names no order; without it, all are run")
        named = [self._checked(order) for order in orders or ()]
        with ExitStack() as stack:
            self._start(stack)
            if named:
                for steps in named:
                    self._show(self._play(steps, named=True))
            else:
                self._all()

    def _checked(self, order: str) -> list[str]:
        steps = order.split()
        if not steps:
            raise CaseError(f"orders=: {order!r} names no step")
        for step in steps:
            if step not in self._steps:
                raise CaseError(f"no session has a step {step!r}{choice(step, self._steps)}")
        return steps

    def _start(self, stack: ExitStack) -> None:
        """Show the sessions, and have them ready to be started again and again."""
        for name, each in self._sessions.items():
            self._case.log(f"session {name}: {each.shown}", self._case.paths)
            argv = each.program.argv(*each.arguments)
            self._case.raw_log.add(argv, "")
            try:
                self._starters[name] = Starter(argv, also=SLEEPS)
            except UnavailableError as error:
                raise CaseError(str(error)) from None
            stack.callback(self._starters[name].close)

    def _all(self) -> None:
        total = interleavings(len(each.steps) for each in self._sessions.values())
        if total > MOST:
            raise CaseError(f"{total} permutations are too many: orders=[...] names some of them")
        ran = self._play(())
        whole = short = 0
        while True:
            self._show(ran)
            whole += not ran.left
            short += bool(ran.left)
            prefix = _next(ran)
            if not prefix:
                break
            before, ran = ran, self._play(prefix)
            _compare(before, ran, len(prefix) - 1)
        self._case.log(f"\n{_claim(whole, short, total)}")

    def _play(self, steps: Sequence[str], *, named: bool = False) -> Ran:
        """Run one permutation: these steps alone if *named*, else as many more as there are."""
        copy_tree(Path(self._case.test_dir), self._folder)
        try:
            with closing(Stage()) as stage:
                try:
                    self._enter(stage)
                    permutation = Permutation(stage, self._sessions, self._keep, self._clean)
                    ran = permutation.run_named(steps) if named else permutation.run(steps)
                except SilentError as error:
                    raise CaseError(self._clean(str(error))) from None
            return ran._replace(end=ran.end + self._left())
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _enter(self, stage: Stage) -> None:
        for name, each in self._sessions.items():
            starter = self._starters[name]
            try:
                session = Spoken(
                    name, starter, each.speech, str(self._folder), self._words,
                    limit=inf if each.program.wrapped else each.limit,
                )  # fmt: skip
            except OSError as error:
                raise CaseError(f"cannot start {each.program.name}: {error.strerror}") from None
            with stack_dump.waiting_for(f"{name} to be ready"):
                stage.enter(session)

    def _left(self) -> str:
        """Return what the command says that tells what has come of a permutation."""
        if not self._outcome:
            return ""
        try:
            text = shell.outcome(self._outcome, self._folder, shell.LIMIT)
        except shell.ShellError as error:
            raise CaseError(str(error)) from None
        return f"$ {self._outcome}\n" + self._case.stderr_output(self._clean(text))

    def _show(self, ran: Ran) -> None:
        self._case.section(" ".join(ran.steps))
        for text in (*ran.texts, ran.end):
            self._case.log(text, self._case.paths)

    def _clean(self, text: str) -> str:
        """Write the directory of the case for its copy."""
        return filters.directory(str(self._folder), self._case.test_dir)(text)

    def _keep(self, text: str) -> None:
        self._case.raw_log.keep(text if text.endswith("\n") else f"{text}\n")


def _twice(names: Sequence[str]) -> str:
    """Return the first name that is there twice, or an empty string."""
    return next((name for i, name in enumerate(names) if name in names[:i]), "")


def _check(session: Steps) -> None:
    """Raise CaseError for a session that has no steps, or one that is no text and no signal."""
    if not session.steps:
        raise CaseError(f"session {session.name} has no steps")
    if not 0 < session.limit < inf:
        raise CaseError(f"session {session.name}: limit={session.limit}: expected seconds")
    for name, told in session.steps.items():
        if not isinstance(told, str) and told not in set(signal.Signals):
            raise CaseError(f"step {name}: expected a text or a signal, not {told!r}")


def _next(ran: Ran) -> list[str]:
    """Return how the next permutation begins, where they are in the order of their sessions.

    It is the same up to the last step in whose place another one could come that was not yet.
    """
    for i in reversed(range(len(ran.steps))):
        later = ran.able[i][ran.able[i].index(ran.steps[i]) + 1 :]
        if later:
            return [*ran.steps[:i], later[0]]
    return []


def _compare(before: Ran, ran: Ran, same: int) -> None:
    """Raise CaseError where the *same* first steps of two permutations have not shown the same."""
    for i in range(same):
        if (before.texts[i], before.able[i]) != (ran.texts[i], ran.able[i]):
            raise CaseError(
                f"{' '.join(ran.steps[: i + 1])}: what was\n{before.texts[i]}is another time\n"
                f"{ran.texts[i]}what is not the same on each run is for a filter"
            )


def _claim(whole: int, short: int, total: int) -> str:
    """Return how many permutations there are, and of how many orders."""
    if whole == total:
        return f"{count(total, 'permutation')}: all orders of the steps"
    early = f", and {short} with a part of them" if short else ""
    return (
        f"{count(whole + short, 'permutation')}: {whole} of {total} orders of the steps{early};\n"
        "the others cannot be, as a session that waits, or has ended, is told nothing"
    )
