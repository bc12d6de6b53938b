# SPDX-License-Identifier: GPL-2.0-or-later
"""Which orders are to be run, where only those with few switches between programs are wanted."""

from typing import NamedTuple

from goldlock.orders.effects import Step, program_of
from goldlock.orders.history import History
from goldlock.orders.jobs import Job, Ran, Shard, is_of


class FewSwitches:
    """All orders with few switches away from a program that could go on.

    States that come to the same, as only steps were exchanged that have nothing to do with each
    other, are entered once. What is known of them is kept, so memory grows with their number.

    A shard has a part of them: of all that turn off from the order that is run first, which is the
    same in each shard, at a place and to an actor of its own.
    """

    def __init__(self, limit: int, shard: Shard | None = None) -> None:
        """*limit* is the number of switches."""
        self._limit = limit
        self._shard = shard
        self._started = False
        self._first: list[str] = []
        """The actors of the order that was run first."""
        self._entered: dict[tuple[int, str], int] = {}
        """With how few switches a state was entered, by it and the program that went last."""
        self._ready: dict[int, dict[str, str]] = {}
        self._moves: dict[tuple[int, str], tuple[Step, int]] = {}
        self._queue: list[_Way] = []
        self._waiting: dict[tuple[int, str], list[_Way]] = {}
        self._jobs: list[tuple[_Way, str]] = []
        self._running: dict[tuple[tuple[str, str], ...], tuple[int, str]] = {}
        """The moves that jobs are to make, by their prefixes."""

    @property
    def left(self) -> int:
        return len(self._jobs)

    def next_job(self) -> Job | None:
        if not self._started:
            self._started = True
            return Job(())
        while self._queue:
            way = self._queue.pop()
            for actor in self._ready[way.state]:
                self._go(way, actor)
        if not self._jobs:
            return None
        way, actor = self._jobs.pop(0)
        prefix = [(step.actor, step.call) for step in way.steps]
        job = Job((*prefix, (actor, self._ready[way.state][actor])))
        self._running[job.prefix] = (way.state, actor)
        return job

    def lost(self, job: Job) -> None:
        move = self._running.pop(job.prefix)
        for way in self._waiting.pop(move, [])[1:]:  # which have come to that state otherwise
            self._go(way, move[1])

    def add(self, job: Job, ran: Ran) -> None:
        self._running.pop(job.prefix, None)
        state = 0
        self._first = self._first or [step.actor for step in ran.steps]
        self._ready.setdefault(0, ran.ready[0])
        history = History(ran.steps)
        for i, step in enumerate(ran.steps):
            move = (state, step.actor)
            if move not in self._moves:
                self._moves[move] = (step, state ^ history.identity(i))
            state = self._moves[move][1]
            self._ready.setdefault(state, ran.ready[i + 1])
            for way in self._waiting.pop(move, []):
                self._go(way, step.actor)
        if (0, "") not in self._entered:
            self._entered[0, ""] = 0
            self._queue.append(_Way(0, "", 0, (), turned=False))

    def _go(self, way: "_Way", actor: str) -> None:
        program = program_of(actor)
        could = {program_of(each) for each in self._ready[way.state]}
        switched = way.last not in ("", program) and way.last in could
        used = way.used + switched
        place = len(way.steps)
        turned = way.turned or actor != self._first[place]
        is_others = turned and not way.turned and not is_of(self._shard, f"{place} {actor}")
        if used > self._limit or is_others:
            return
        move = (way.state, actor)
        if move in self._moves:
            step, state = self._moves[move]
            if used < self._entered.get((state, program), self._limit + 1):
                self._entered[state, program] = used
                self._queue.append(_Way(state, program, used, (*way.steps, step), turned))
        elif move in self._waiting:
            self._waiting[move].append(way)
        else:
            self._waiting[move] = [way]
            self._jobs.append((way, actor))


class _Way(NamedTuple):
    """How a state was come to: who went last, with how many switches, by which steps.

    *turned*: it has turned off from the order that was run first.
    """

    state: int
    last: str
    used: int
    steps: tuple[Step, ...]
    turned: bool
