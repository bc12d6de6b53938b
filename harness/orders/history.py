# SPDX-License-Identifier: GPL-2.0-or-later
"""One order as a partial order: which of its steps must come before which, and which need not.

Two orders that differ only in steps that do not depend on each other are the same history, and
lead to the same end.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from goldlock.orders.effects import Step, depends, program_of


class History:
    """Steps in the order in which they happened, and what had to be before what."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._identities: list[int] = []
        self._before: list[int] = []
        """For each step a set of bits: the steps that had to be before it."""
        for i, step in enumerate(steps):
            bits = 0
            for j in range(i - 1, -1, -1):
                if not bits >> j & 1 and _depend(steps[j], step):
                    bits |= self._before[j] | 1 << j
            self._before.append(bits)

    def identity(self, step: int) -> int:
        """Return a number for a step and all that had to be before it, whatever else happened."""
        for at in range(len(self._identities), step + 1):
            own = self.steps[at]
            parts = sorted(self._identities[i] for i in range(at) if self.is_before(i, at))
            text = f"{own.actor} {own.call} {own.result} {parts}"
            digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).digest()
            self._identities.append(int.from_bytes(digest, "big"))
        return self._identities[step]

    def is_before(self, first: int, second: int) -> bool:
        """Return whether the one step had to be before the other one."""
        return bool(self._before[second] >> first & 1)

    def races(self, second: int) -> Iterator[int]:
        """Yield the steps of other actors that a step depends on with nothing between them."""
        actor = self.steps[second].actor
        for first in range(second - 1, -1, -1):
            if self.steps[first].actor == actor or not self.is_before(first, second):
                continue
            between = (i for i in range(first + 1, second) if self.is_before(first, i))
            if not any(self.is_before(i, second) for i in between):
                yield first

    def initials(self, first: int, second: int) -> list[str]:
        """Return the actors that can begin, so that *second* comes before *first*, a race.

        What begins are the steps after *first* that need not be after it, and then *second*;
        the actor of *second* comes first in the list, if it is one.
        """
        rest = [i for i in range(first + 1, second) if not self.is_before(first, i)] + [second]
        found: dict[str, bool] = {}
        for place, i in enumerate(rest):
            actor = self.steps[i].actor
            if actor not in found:
                found[actor] = not any(self.is_before(j, i) for j in rest[:place])
        own = self.steps[second].actor
        return sorted((actor for actor in found if found[actor]), key=lambda a: (a != own, a))

    def shortest(self) -> list[int]:
        """Return the steps in an order with the fewest switches between programs.

        It is the same for all orders of one history: of several, the first by actors' names.
        """
        chains: dict[str, list[int]] = {}
        for i, step in enumerate(self.steps):
            chains.setdefault(program_of(step.actor), []).append(i)
        done = {(0, "")}
        layer: dict[tuple[int, str], tuple[int, ...]] = {(0, ""): ()}
        whole = (1 << len(self.steps)) - 1
        while layer:
            ends = [order for (bits, _), order in layer.items() if bits == whole]
            if ends:
                return list(min(ends, key=self._names))
            layer = self._next_layer(layer, chains, done)
        raise AssertionError("a history has an order")

    def _next_layer(
        self,
        layer: "dict[tuple[int, str], tuple[int, ...]]",
        chains: "dict[str, list[int]]",
        done: set[tuple[int, str]],
    ) -> "dict[tuple[int, str], tuple[int, ...]]":
        """Return what can be reached with one switch more: steps done (bits), and who was last.

        Each program goes on as far as it can: to stop before that is never shorter.
        """
        found: dict[tuple[int, str], tuple[int, ...]] = {}
        for (bits, last), order in layer.items():
            for program in sorted(chains):
                if program == last:
                    continue
                now, more = bits, []
                for i in chains[program]:
                    if now >> i & 1:
                        continue
                    if self._before[i] & ~now:
                        break
                    now |= 1 << i
                    more.append(i)
                key = (now, program)
                if more and key not in done:
                    way = (*order, *more)
                    if key not in found or self._names(way) < self._names(found[key]):
                        found[key] = way
        done.update(found)
        return found

    def _names(self, order: Iterable[int]) -> list[str]:
        return [self.steps[i].actor for i in order]


def _depend(a: Step, b: Step) -> bool:
    return a.actor == b.actor or depends(a.actor, a.effects, b.actor, b.effects)


def order_text(actors: Sequence[str]) -> str:
    """Return an order as people write it: ``7A 3B 2A``, how many steps of whom."""
    return " ".join(f"{len(list(steps))}{actor}" for actor, steps in groupby(actors))


def switches(actors: Sequence[str]) -> int:
    """Return how often another program goes on than before."""
    return max(0, sum(1 for _ in groupby(map(program_of, actors))) - 1)


def interleavings(lengths: Iterable[int]) -> int:
    """Return in how many orders chains of so many steps can be put."""
    lengths = list(lengths)
    total = math.factorial(sum(lengths))
    for length in lengths:
        total //= math.factorial(length)
    return total


_MOST_STEPS = 1_000_000
_BLOCK = re.compile(r"(\d*)([A-H](?:\.\d+)?)")


def parse_order(text: str) -> list[str]:
    """Return the actors that an order of `order_text` names, step by step; raise ValueError."""
    actors = []
    for word in text.split():
        found = _BLOCK.fullmatch(word)
        if not found or not 0 < int((found[1] or "1")[:9]) <= _MOST_STEPS:
            raise ValueError(f"{word}: expected how many steps of whom, such as 9A")
        actors += [found[2]] * int(found[1] or 1)
    return actors
