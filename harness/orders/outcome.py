# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of an order, in words that are the same for orders that come to the same."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from goldlock.linux import how_ended
from goldlock.orders.effects import Step
from goldlock.orders.history import History, switches

DEADLOCK, BROKEN = "deadlock\n", "broken: "


def outcome_text(
    names: Sequence[str], statuses: Sequence[int], said: Sequence[str], left: str
) -> str:
    """Return how each program ended and what it wrote, and what is *left*, as text."""
    parts = []
    for name, status, text in zip(names, statuses, said, strict=True):
        parts.append(f"{name}: {ending(status)}\n" + indented(text))
    return "".join(parts) + left


def ending(status: int) -> str:
    """Return a wait status in words."""
    return how_ended(os.waitstatus_to_exitcode(status))


def indented(text: str) -> str:
    """Return text with two blanks before each line, and a line end."""
    return "".join(f"  {line}\n" for line in text.splitlines())


_NUMBER = re.compile(r"\b(?=\d*[a-f])[0-9a-f]{7,}\b|\d+")
"""A number, or what may have one in it by chance only: the checksum that names an object."""


def without_pids(text: str, pids: Collection[int]) -> str:
    """Return text with PID for each number that is one of *pids*."""
    known = set(map(str, pids))
    return _NUMBER.sub(lambda found: "PID" if found[0] in known else found[0], text)


def deadlock_text(names: Mapping[str, str], waits: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """Return who waits for what, where nobody can go on: calls by actor, and who is in the way."""
    lines = [DEADLOCK]
    for actor, (call, holders) in sorted(waits.items()):
        by = " and ".join(names[letter] for letter in holders) or "none of the programs"
        lines.append(f"{name_of(actor, names)} waits: {call}, held by {by}\n")
    return "".join(lines)


def name_of(actor: str, names: Mapping[str, str]) -> str:
    """Return what an actor is called: "creator", and "creator.2" for a thread of it."""
    letter, dot, number = actor.partition(".")
    return f"{names[letter]}{dot}{number}"


class Outcome(NamedTuple):
    """Something that can come of the programs, and the shortest order that leads there.

    The order is that of a run, rearranged where steps have nothing to do with each other. What a
    program does without a step may make a difference all the same, so *ran* is the shortest order
    of those that were run as they are.
    """

    text: str
    steps: tuple[Step, ...]
    ran: tuple[Step, ...]

    @classmethod
    def of(cls, text: str, ran: Sequence[Step]) -> "Outcome":
        """Return the outcome of an order that was run, with that order made shorter."""
        return cls(text, tuple(ran[i] for i in History(ran).shortest()), tuple(ran))

    def or_by(self, other: "Outcome") -> "Outcome":
        """Return this with the shorter orders of two that lead to the same."""
        return min(self, other, key=Outcome.length)._replace(
            ran=min(self, other, key=lambda each: each.as_run().length()).ran
        )

    def as_run(self) -> "Outcome":
        """Return this with the order that was run as it is."""
        return self._replace(steps=self.ran)

    @property
    def failure(self) -> str:
        """What it is that no outcome should be, "broken" or "deadlock"; nothing for any other."""
        if any(step.broken for step in self.ran):
            return "broken"
        return "deadlock" if self.text.startswith(DEADLOCK) else ""

    def length(self) -> tuple[int, list[str], str]:
        """Return what is less for an outcome that is shown before another one."""
        return switches(self.actors), self.actors, self.text

    @property
    def actors(self) -> list[str]:
        """Who went, step by step."""
        return [step.actor for step in self.steps]


class Outcomes:
    """All that was found, each outcome once, in memory that does not grow with orders."""

    def __init__(self, clean: Callable[[str], str] = str) -> None:
        """*clean* is applied to each text: what is not the same on each run goes there."""
        self._clean = clean
        self._found: dict[str, Outcome] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, text: str, steps: Sequence[Step]) -> str:
        """Take down what came of an order; return the text as it counts."""
        text = self._clean(text)
        new = Outcome.of(text, steps)
        known = self._found.get(text)
        self._found[text] = known.or_by(new) if known else new
        return text

    def sorted(self) -> list[Outcome]:
        """Return the outcomes, those with the shortest orders first."""
        return sorted(self._found.values(), key=Outcome.length)
