# SPDX-License-Identifier: GPL-2.0-or-later
"""Which orders are to be run: pure bookkeeping, which is handed what came of each.

`AllOrders` is dynamic partial order reduction with sleep sets and source sets (Abdulla, Aronsson,
Jonsson and Sagonas, Optimal dynamic partial order reduction, 2014): of the orders that differ
only in steps that do not depend on each other, one is run to its end.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from goldlock.orders.effects import Effect, Step, depends, program_of
from goldlock.orders.history import History

LETTERS = "ABCDEFGH"
"""What programs are called in orders, the first one first."""

Sleep = Mapping[str, tuple[Effect, ...]]
"""Actors that need not go next, as what begins with their step has its place elsewhere."""


NOBODY: Sleep = {}


class Job(NamedTuple):
    """An order to be run: the calls of *prefix*, by (actor, words), and then as it comes.

    What comes then: the actor that was last goes on while it can, else the first one that can and
    is not in *sleep*; with *seed*, one is chosen by chance, with so many *changes* of priorities
    in about *length* steps. Words "" in the prefix stand for any call.
    """

    prefix: tuple[tuple[str, str], ...]
    sleep: Sleep = NOBODY
    seed: int | None = None
    changes: int = 0
    length: int = 0


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


class Search(Protocol):
    """A way to go through the orders."""

    def next_job(self) -> Job | None:
        """Return what is to be run now; None if that must wait for what runs, or all is done."""

    def add(self, job: Job, ran: Ran) -> None:
        """Take down what came of a job."""

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


class _Node:
    """A state: what could go, what was tried, and what is to be tried."""

    __slots__ = ("children", "parent", "ready", "running", "sleep", "step", "todo", "tried")

    def __init__(self, parent: "_Node | None", step: Step | None, sleep: Sleep) -> None:
        self.parent = parent
        self.step = step
        self.sleep = dict(sleep)
        self.ready: dict[str, str] = {}
        self.todo: list[str] = []
        self.tried: set[str] = set()
        self.children: dict[str, _Node] = {}
        self.running = 0

    def path(self) -> "list[_Node]":
        """Return the states from the start to this one."""
        node: _Node | None = self
        nodes = []
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    def want(self, actor: str) -> bool:
        """Note that an actor is to go next from here; return whether that is news."""
        if actor in self.tried or actor in self.todo or actor in self.sleep:
            return False
        self.todo.append(actor)
        return True


class AllOrders:
    """Each order once, but for steps that do not depend on each other.

    A shard has a part of them. The order that is run first is the same in each shard. Of each of
    its states one shard tries all that can go instead: so none needs to know what another one
    finds, and which part a shard has follows from the programs alone.
    """

    def __init__(self, shard: tuple[int, int] | None = None) -> None:
        """*shard* is its index, from 1 on, and how many there are."""
        self._shard = shard
        self._root = _Node(None, None, {})
        self._open: list[_Node] = []
        """States with something to do, those that were found last at the end."""
        self._jobs: dict[tuple[tuple[str, str], ...], _Node] = {}
        self._started = False

    @property
    def left(self) -> int:
        return sum(len(node.todo) for node in self._open)

    def next_job(self) -> Job | None:
        if not self._started:
            self._started = True
            return self._begin(self._root, None)
        for node in reversed(self._open):
            # One at a time: the step of the one before must be known, which sleeps meanwhile.
            if node.todo and not node.running:
                return self._begin(node, node.todo.pop(0))
        return None

    def _begin(self, node: _Node, actor: str | None) -> Job:
        nodes = node.path()
        prefix = [(each.step.actor, each.step.call) for each in nodes if each.step]
        if actor is not None:
            prefix.append((actor, node.ready[actor]))
            node.tried.add(actor)
        job = Job(tuple(prefix), dict(node.sleep))
        node.running += 1
        self._jobs[job.prefix] = node
        return job

    def add(self, job: Job, ran: Ran) -> None:
        node = self._jobs.pop(job.prefix)
        node.running -= 1
        depth = len(job.prefix) - 1 if job.prefix else 0
        node.ready = node.ready or ran.ready[depth]
        is_first = not job.prefix
        for i in range(depth, len(ran.steps)):
            child = self._child(node, ran.steps[i], ran.ready[i + 1])
            if is_first and self._shard:
                self._divide(node, self._shard)
            node = child
        self._note_races(node, ran, depth)
        self._tidy(node)

    def _child(self, node: _Node, step: Step, ready: dict[str, str]) -> _Node:
        child = _Node(node, step, still_asleep(node.sleep, step))
        child.ready = ready
        node.children[step.actor] = child
        node.tried.add(step.actor)
        node.sleep[step.actor] = step.effects
        return child

    @staticmethod
    def _divide(node: _Node, shard: tuple[int, int]) -> None:
        """Have all that can go from a state of the first order tried, or nothing more."""
        index, number = shard
        way = " ".join(each.step.actor for each in node.path() if each.step)
        if zlib.crc32(way.encode()) % number == index - 1:
            node.todo += [actor for actor in sorted(node.ready) if actor not in node.sleep]
        else:
            node.tried.update(node.ready)

    def _note_races(self, end: _Node, ran: Ran, depth: int) -> None:
        nodes = end.path()
        history = History(ran.steps)
        for second in range(depth, len(ran.steps)):
            if ran.steps[second].waits:
                self._all_before(nodes, history, second)
            for first in history.races(second):
                self._reverse(nodes[first], history, first, second)
        for actor, effects in ran.waiting.items():
            step = Step(actor, "", "", effects, waits=True)
            whole = History((*ran.steps, step))
            self._all_before(nodes, whole, len(ran.steps))
        for node in nodes:
            if node.todo and node not in self._open:
                self._open.append(node)
        self._open.sort(key=lambda node: len(node.path()))

    @staticmethod
    def _reverse(node: _Node, history: History, first: int, second: int) -> None:
        """Have an order in which *second* comes before *first*, which was done at *node*."""
        initials = history.initials(first, second)
        if any(a in node.tried or a in node.todo or a in node.sleep for a in initials):
            return
        able = [actor for actor in initials if actor in node.ready]
        if able:
            node.want(able[0])
        elif program_of(history.steps[first].actor) != program_of(history.steps[second].actor):
            # Else the one step has made the other one possible.
            for actor in node.ready:
                node.want(actor)

    @staticmethod
    def _all_before(nodes: Sequence[_Node], history: History, second: int) -> None:
        """Have all that can come before the steps that a call depends on which may wait for them.

        Such a call cannot go as long as it would wait, so it cannot be told from the steps alone
        what would let it go first.
        """
        step = history.steps[second]
        for first in range(second):
            other = history.steps[first]
            if other.actor != step.actor and depends(
                other.actor, other.effects, step.actor, step.effects
            ):
                for actor in nodes[first].ready:
                    nodes[first].want(actor)

    def _tidy(self, node: _Node) -> None:
        """Forget states from which all was tried."""
        self._open = [each for each in self._open if each.todo]
        at: _Node | None = node
        while at is not None and at.parent is not None:
            if at.todo or at.children or at.running:
                return
            at.parent.children.pop(at.step.actor if at.step else "", None)
            at = at.parent


class FewSwitches:
    """All orders with few switches away from a program that could go on.

    States that come to the same, as only steps were exchanged that have nothing to do with each
    other, are entered once. What is known of them is kept, so memory grows with their number.
    """

    def __init__(self, limit: int) -> None:
        """*limit* is the number of switches."""
        self._limit = limit
        self._started = False
        self._entered: dict[tuple[int, str], int] = {}
        """With how few switches a state was entered, by it and the program that went last."""
        self._ready: dict[int, dict[str, str]] = {}
        self._moves: dict[tuple[int, str], tuple[Step, int]] = {}
        self._queue: list[_Way] = []
        self._waiting: dict[tuple[int, str], list[_Way]] = {}
        self._jobs: list[tuple[_Way, str]] = []

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
        return Job((*prefix, (actor, self._ready[way.state][actor])))

    def add(self, job: Job, ran: Ran) -> None:
        del job
        state = 0
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
            self._queue.append(_Way(0, "", 0, ()))

    def _go(self, way: "_Way", actor: str) -> None:
        program = program_of(actor)
        could = {program_of(each) for each in self._ready[way.state]}
        switched = way.last not in ("", program) and way.last in could
        used = way.used + switched
        if used > self._limit:
            return
        move = (way.state, actor)
        if move in self._moves:
            step, state = self._moves[move]
            if used < self._entered.get((state, program), self._limit + 1):
                self._entered[state, program] = used
                self._queue.append(_Way(state, program, used, (*way.steps, step)))
        elif move in self._waiting:
            self._waiting[move].append(way)
        else:
            self._waiting[move] = [way]
            self._jobs.append((way, actor))


class _Way(NamedTuple):
    """How a state was come to: who went last, with how many switches, by which steps."""

    state: int
    last: str
    used: int
    steps: tuple[Step, ...]


class ByChance:
    """So many orders, all but one by chance: the same for the same seed; see `play.Chance`."""

    def __init__(self, orders: int, seed: int, changes: int = 2) -> None:
        self._seeds = [seed + i for i in range(orders - 1)]
        self._changes = changes
        self._length = 0
        self._first = True

    @property
    def left(self) -> int:
        return len(self._seeds)

    def next_job(self) -> Job | None:
        if self._first:  # how long an order is must be known
            self._first = False
            return Job(())
        if not self._length or not self._seeds:
            return None
        return Job((), NOBODY, self._seeds.pop(0), self._changes, self._length)

    def add(self, job: Job, ran: Ran) -> None:
        if job.seed is None:
            self._length = max(1, len(ran.steps))


class Choice(NamedTuple):
    """Which orders: all, those with few *switches*, or so many by *chance*, with a *seed*.

    Of all, a *shard* has a part: see `AllOrders`.
    """

    switches: int | None = None
    chance: int | None = None
    seed: int = 0
    shard: tuple[int, int] | None = None

    def search(self) -> Search:
        """Return the search for them."""
        if self.chance is not None:
            return ByChance(self.chance, self.seed)
        return AllOrders(self.shard) if self.switches is None else FewSwitches(self.switches)
