# SPDX-License-Identifier: GPL-2.0-or-later
"""One permutation of the steps of some sessions: what each step shows, and what comes of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from goldlock.case import stack_dump
from goldlock.case.program import Program
from goldlock.errors import CaseError
from goldlock.filters import Filter
from goldlock.linux import ending, signal_name
from goldlock.orders.speech import Speech
from goldlock.orders.spoken import Spoken
from goldlock.orders.stage import Stage

Step = str | int
"""What a session is told, or the number of a signal that it is sent."""


class Steps(NamedTuple):
    """A session that `Case.session` has made: a program, and the steps that it can be told.

    *clean* is applied to its answers; *limit* is how many seconds a step may take; *shown* is the
    command line as goldens have it.
    """

    name: str
    program: Program
    arguments: tuple[str, ...]
    speech: Speech
    steps: Mapping[str, Step]
    clean: Filter
    limit: float
    shown: str


class Ran(NamedTuple):
    """A permutation that was run.

    *texts* are what each step has shown, *able* the steps that could have come in its place; *left*
    are those that could not be any more, *end* is what there is to say of that.
    """

    steps: Sequence[str]
    texts: Sequence[str]
    able: Sequence[Sequence[str]]
    left: Sequence[str]
    end: str


class Permutation:
    """The sessions on a stage, which are ready, and what they have been told so far."""

    def __init__(
        self,
        stage: Stage,
        sessions: Mapping[str, Steps],
        keep: Callable[[str], None],
        clean: Filter,
    ) -> None:
        """*keep* takes what is said, before any filter; *clean* is applied before those."""
        self._stage = stage
        self._sessions = sessions
        self._keep = keep
        self._clean = clean
        self._whose = {step: name for name, each in sessions.items() for step in each.steps}
        self._left = {name: list(each.steps) for name, each in sessions.items()}
        self._ended: set[str] = set()
        self._at: dict[str, str] = {}
        self._deadlock: dict[str, list[str]] = {}

    def run_named(self, steps: Sequence[str]) -> Ran:
        """Run these steps; raise CaseError where one of them cannot be, SilentError as `Stage`."""
        texts = []
        for number, step in enumerate(steps):
            name = self._whose[step]
            if name not in self._stage.able():
                waits = self._stage.waits().get(name)
                why = f"{name} waits for {waits}" if waits else f"{name} has ended"
                raise CaseError(f"{' '.join(steps[: number + 1])}: {step} cannot be, {why}")
            texts.append(self._step(step))
        return Ran(steps, texts, (), (), self._end())

    def run(self, prefix: Sequence[str]) -> Ran:
        """Run the steps of *prefix*, then as it comes, as long as there is one that can be."""
        steps: list[str] = []
        texts: list[str] = []
        able: list[Sequence[str]] = []
        while now := [self._left[name][0] for name in self._stage.able() if self._left[name]]:
            step = prefix[len(steps)] if len(steps) < len(prefix) else now[0]
            if step not in now:
                before = " ".join(steps)
                raise CaseError(f"{before}: {step} could come next when it was run before")
            self._left[self._whose[step]].remove(step)
            steps.append(step)
            able.append(now)
            texts.append(self._step(step))
        left = [step for name in self._sessions for step in self._left[name]]
        missing = f"cannot be any more: {' '.join(left)}\n" if left else ""
        return Ran(steps, texts, able, left, self._end() + missing)

    def _step(self, step: str) -> str:
        name = self._whose[step]
        told = self._sessions[name].steps[step]
        shown = signal_name(told) if isinstance(told, int) else told
        self._at[name] = step
        self._keep(f"{name} <- {shown}\n")
        with stack_dump.waiting_for(f"{name} to answer {shown!r}, or what comes of it"):
            return self._shown(step, shown, self._stage.step(name, told))

    def _shown(self, step: str, shown: str, done: Iterator[tuple[Spoken, str]]) -> str:
        session, waits = next(done)
        text = f"step {step}: {shown}{f' <waiting: {waits}>' if waits else ''}\n"
        text += "" if waits else self._answer(session)
        for other, _ in done:
            text += f"step {self._at[other.name]}: <... done>\n{self._answer(other)}"
        for other in self._stage.ended():
            if other.name not in self._ended:
                text += f"session {other.name} has ended\n{self._answer(other)}"
        return text + self._new_deadlock()

    def _answer(self, session: Spoken) -> str:
        if session.status is not None:
            self._ended.add(session.name)
        text = session.take()
        self._keep(f"{session.name} -> {text}")
        text = self._sessions[session.name].clean(self._clean(text))
        lines = [text.removesuffix("\n")] if text else []
        lines += [ending(session.status)] if session.status else []
        return "".join(f"{line}\n" for line in lines)

    def _new_deadlock(self) -> str:
        deadlock = self._stage.deadlock()
        if deadlock == self._deadlock:
            return ""
        self._deadlock = deadlock
        waits = [f"{name} waits for {' and '.join(held)}" for name, held in deadlock.items()]
        return f"deadlock: {', '.join(waits)}\n"

    def _end(self) -> str:
        waits = self._stage.waits()
        still = {name: words for name, words in waits.items() if name not in self._deadlock}
        return "".join(f"{name} waits still: {words}\n" for name, words in still.items())
