# SPDX-License-Identifier: GPL-2.0-or-later
"""From an order that leads to something to one with fewer switches between programs.

What is known of one history is its shortest order; another history may lead to the same by a
shorter one. Each block of steps of one program is moved to the one before, or to the one after, or
left out; and after that, another block is made as long as can be. What leads to the same with fewer
switches is gone on from, until nothing does.
"""

from collections.abc import Callable, Iterable
from itertools import groupby

from goldlock.orders.effects import program_of
from goldlock.orders.explorer import Pool
from goldlock.orders.history import switches
from goldlock.orders.jobs import Job
from goldlock.orders.outcome import Outcome

_Block = tuple[str, ...]
_LONG = 400
"""More steps than a program has, as a rule."""


def shrunk(
    workers: Pool, outcome: Outcome, clean: Callable[[str], str], end: float | None
) -> Outcome:
    """Return the outcome with an order that no step of this makes shorter, or the time is up.

    *clean* as of `explore`; *end* is a time of `time.monotonic`.
    """
    best = outcome
    while True:
        blocks = [tuple(steps) for _, steps in groupby(map(program_of, best.actors))]
        for orders in (_without_one(blocks), _stretched(blocks)):
            new = best
            jobs = (Job(tuple((actor, "") for actor in order), loose=True) for order in orders)
            for result in workers.run(jobs, end):
                if result.ran and clean(result.text) == outcome.text:
                    new = new.or_by(Outcome.of(outcome.text, result.ran.steps))
            if switches(new.actors) < switches(best.actors):
                break
            best = best._replace(ran=new.ran)
        else:
            return best
        best = new


def _without_one(blocks: list[_Block]) -> list[_Block]:
    """Return orders that have one block less."""
    found = set()
    for i, block in enumerate(blocks):
        own = [j for j, other in enumerate(blocks) if other[0] == block[0]]
        place = own.index(i)
        found.add(_joined(blocks[:i] + blocks[i + 1 :]))
        for j in own[max(0, place - 1) : place] + own[place + 1 : place + 2]:
            moved = [*blocks]
            moved[i], moved[j] = (), blocks[j] + block
            found.add(_joined(moved))
    return sorted(order for order in found if switches(order) < len(blocks) - 1)


def _stretched(blocks: list[_Block]) -> list[_Block]:
    """Return the orders of `_without_one`, but that one block goes on for as long as it can."""
    found = set()
    for order in _without_one(blocks):
        left = [tuple(steps) for _, steps in groupby(order)]
        for i, block in enumerate(left):
            found.add(_joined([*left[:i], block[:1] * _LONG, *left[i + 1 :]]))
    return sorted(found)


def _joined(blocks: Iterable[_Block]) -> _Block:
    return tuple(actor for block in blocks for actor in block)
