# SPDX-License-Identifier: GPL-2.0-or-later
"""An order that is to be run, what came of it, and what a search is, which asks for orders."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from goldlock.orders.effects import Effect, Step, depends

LETTERS = "ABCDEFGH"
"""What programs are called in orders, the first one first."""

Sleep = Mapping[str, tuple[Effect, ...]]
"""Actors that need not go next, as what begins with their step has its place elsewhere."""

NOBODY: Sleep = {}


class Job(NamedTuple):
    """An order to be run: the calls of *prefix*, by (actor, words), and then as it comes.

    What comes then: the actor that was last goes on while it can, else the first one that can and
    is not in *sleep*; with *seed*, one is chosen by chance, with so many *changes* of priorities
    in about *length* steps. Words "" in the prefix stand for any call. In a *loose* one, an actor
    stands for its program, and a step that cannot be is left out.
    """

    prefix: tuple[tuple[str, str], ...]
    sleep: Sleep = NOBODY
    seed: int | None = None
    changes: int = 0
    length: int = 0
    loose: bool = False


class Ran(NamedTuple):
    """What came of a job.

    *ready* has, for each state from the start on, the actors that could go and their calls. *end*
    is "ended", "deadlock", or "cut": all that could go was asleep. *waiting* are the calls that
    wait at the end, by their actors.
    """

    steps: tuple[Step, ...]
    ready: tuple[dict[str, str], ...]
    end: str
    waiting: Sleep = NOBODY


Shard = tuple[int, int]
"""A part of the orders: which one, from 1 on, and of how many."""


def is_of(shard: Shard | None, place: str) -> bool:
    """Return whether what begins at a place, which has a name, is of a shard; None has all."""
    return shard is None or zlib.crc32(place.encode()) % shard[1] == shard[0] - 1


class Search(Protocol):
    """A way to go through the orders."""

    def next_job(self) -> Job | None:
        """Return what is to be run now; None if that must wait for what runs, or all is done."""

    def add(self, job: Job, ran: Ran) -> None:
        """Take down what came of a job."""

    def lost(self, job: Job) -> None:
        """Take down that a job came by another way, so that nothing is known of it."""

    @property
    def left(self) -> int:
        """How many jobs are known of that have not been handed out."""


def still_asleep(sleep: Sleep, step: Step) -> Sleep:
    """Return who sleeps on after a step: those that it has nothing to do with."""
    return {
        actor: effects
        for actor, effects in sleep.items()
        if actor != step.actor and not depends(actor, effects, step.actor, step.effects)
    }
