# SPDX-License-Identifier: GPL-2.0-or-later
"""Who goes next in one order: by what was asked for, as it comes, or by chance."""

import random
from collections.abc import Mapping, Sequence

from goldlock.orders.effects import Step, program_of
from goldlock.orders.jobs import Job, Sleep, still_asleep


class DivergedError(Exception):
    """A replay does not come by where it should; str() says what was there instead."""


class Guide:
    """Says who goes next."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sleep: Sleep = job.sleep
        self._last = ""
        self._count = 0
        self._chance = None if job.seed is None else Chance(job.seed, job.changes, job.length)

    def wanted(self) -> tuple[str, str]:
        """Return who is to go next, with what call; "" for whoever."""
        at_hand = self._count < len(self._job.prefix) and not self._job.loose
        return self._job.prefix[self._count] if at_hand else ("", "")

    def choose(self, able: Mapping[str, str]) -> tuple[str, str]:
        """Return the actor that goes next; "" and why, if none does."""
        if self._job.loose:
            if actor := self._of_program(able):
                return actor, ""
        elif self._count < len(self._job.prefix):
            actor, text = self._job.prefix[self._count]
            if text and able.get(actor) != text:
                raise DivergedError(_divergence(self._count, actor, text, able))
            return actor, ""
        awake = [actor for actor in sorted(able) if actor not in self._sleep]
        if not awake:
            return "", "cut" if able else "ended"
        if self._chance:
            return self._chance.choose(awake, self._count), ""
        return self._last if self._last in awake else awake[0], ""

    def _of_program(self, able: Mapping[str, str]) -> str:
        """Return who goes next of a loose order; "" at its end."""
        while self._count < len(self._job.prefix):
            program = program_of(self._job.prefix[self._count][0])
            found = [actor for actor in sorted(able) if program_of(actor) == program]
            if found:
                return self._last if self._last in found else found[0]
            self._count += 1
        return ""

    def went(self, step: Step) -> None:
        """Take down what the actor that was chosen did."""
        if self._count >= len(self._job.prefix) - 1:
            self._sleep = still_asleep(self._sleep, step)
        self._last = step.actor
        self._count += 1


def _divergence(count: int, actor: str, text: str, able: Mapping[str, str]) -> str:
    return f"step {count + 1} is to be {actor}: {text}; there is {there_is(able)}"


def there_is(able: Mapping[str, str]) -> str:
    """Return who can go, with which call."""
    return "; ".join(f"{each}: {call}" for each, call in able.items()) or "nothing"


class Chance:
    """Priorities by chance that change at steps by chance: PCT, probabilistic concurrency testing.

    Burckhardt, Kothari, Musuvathi and Nagarakatti, A randomized scheduler with probabilistic
    guarantees of finding bugs, 2010.
    """

    def __init__(self, seed: int, changes: int, length: int) -> None:
        self._random = random.Random(seed)
        self._changes = {self._random.randrange(max(1, length)): -i for i in range(changes)}
        self._priority: dict[str, float] = {}

    def choose(self, awake: Sequence[str], count: int) -> str:
        """Return who goes at the step *count*."""
        for actor in awake:
            if actor not in self._priority:
                self._priority[actor] = 1 + self._random.random()
        first = max(awake, key=self._priority.__getitem__)
        if count in self._changes:
            self._priority[first] = self._changes[count]
            first = max(awake, key=self._priority.__getitem__)
        return first
