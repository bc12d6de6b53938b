# SPDX-License-Identifier: GPL-2.0-or-later
"""Which orders are to be run: pure bookkeeping, which is handed what came of each.

`AllOrders` is dynamic partial order reduction with sleep sets and source sets (Abdulla, Aronsson,
Jonsson and Sagonas, Optimal dynamic partial order reduction, 2014): of the orders that differ
only in steps that do not depend on each other, one is run to its end.
"""

from collections.abc import Sequence
from typing import NamedTuple

from goldlock.orders.effects import Step, depends, program_of
from goldlock.orders.few_switches import FewSwitches
from goldlock.orders.history import History
from goldlock.orders.jobs import NOBODY, Job, Ran, Search, Shard, Sleep, is_of, still_asleep


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

    def __init__(self, shard: Shard | None = None) -> None:
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

    def lost(self, job: Job) -> None:
        node = self._jobs.pop(job.prefix)
        node.running -= 1
        self._tidy(node)

    def add(self, job: Job, ran: Ran) -> None:
        node = self._jobs.pop(job.prefix)
        node.running -= 1
        depth = len(job.prefix) - 1 if job.prefix else 0
        node.ready = node.ready or ran.ready[depth]
        is_first = not job.prefix
        for i in range(depth, len(ran.steps)):
            child = self._child(node, ran.steps[i], ran.ready[i + 1])
            if is_first and self._shard:
                self._divide(node)
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

    def _divide(self, node: _Node) -> None:
        """Have all that can go from a state of the first order tried, or nothing more."""
        if is_of(self._shard, " ".join(each.step.actor for each in node.path() if each.step)):
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


class ByChance:
    """So many orders, all but one by chance: the same for the same seed; see `guide.Chance`.

    A shard has the first one, and a part of the others.
    """

    def __init__(
        self, orders: int, seed: int, changes: int = 2, shard: Shard | None = None
    ) -> None:
        index, number = shard or (1, 1)
        self._seeds = [seed + i for i in range(orders - 1)][index - 1 :: number]
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

    def lost(self, job: Job) -> None:
        """Do nothing: none waits for another one."""


class Choice(NamedTuple):
    """Which orders: all, those with few *switches*, or so many by *chance*, with a *seed*.

    A *shard* has a part of them.
    """

    switches: int | None = None
    chance: int | None = None
    seed: int = 0
    shard: Shard | None = None

    def search(self) -> Search:
        """Return the search for them."""
        if self.chance is not None:
            return ByChance(self.chance, self.seed, shard=self.shard)
        if self.switches is not None:
            return FewSwitches(self.switches, self.shard)
        return AllOrders(self.shard)
