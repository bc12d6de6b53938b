# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found, in words: for a terminal and for goldens."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from goldlock.orders.effects import LOCKS, Step
from goldlock.orders.explorer import Found
from goldlock.orders.history import interleavings, order_text, switches
from goldlock.orders.outcome import Outcome, indented, name_of
from goldlock.orders.search import Choice
from goldlock.text import count


def outcome_lines(
    outcome: Outcome, names: Mapping[str, str], *, all_steps: bool = False
) -> Iterator[str]:
    """Yield an outcome, and the shortest order that leads there, as lines without their ends."""
    yield from outcome.text.splitlines()
    actors = outcome.actors
    yield f"order: {order_text(actors) or 'none'} ({times(switches(actors), 'switch')})"
    lines = step_lines(outcome.steps, names) if all_steps else brief_lines(outcome.steps, names)
    yield from indented("\n".join(lines)).splitlines()


def step_lines(steps: Sequence[Step], names: Mapping[str, str]) -> Iterator[str]:
    """Yield each step in words: ``creator: lock 101 (uses write) of t.qcow2: ok``."""
    for step in steps:
        yield f"{name_of(step.actor, names)}: {step_text(step, names)}"


def brief_lines(steps: Sequence[Step], names: Mapping[str, str]) -> Iterator[str]:
    """Yield what a reader needs of an order: where another goes on, and who was refused what."""
    for actor, block in groupby(steps, key=lambda step: step.actor):
        quiet = 0
        whole = list(block)
        for step in whole:
            if is_plain(step) and step is not whole[-1]:
                quiet += 1
                continue
            if quiet:
                yield f"{name_of(actor, names)}: {count(quiet, 'step')}"
            quiet = 0
            yield from step_lines([step], names)


def is_plain(step: Step) -> bool:
    """Return whether a step met nobody, and breaks nothing."""
    return step.result in ("ok", "free", "created", "not there", "ENOENT") and not step.broken


def step_text(step: Step, names: Mapping[str, str]) -> str:
    """Return a step and its result with the names of programs for their letters."""
    before, held, letters = step.result.partition("held by ")
    by = " and ".join(names.get(letter, letter) for letter in letters.rstrip(")").split())
    result = f"{before}{held}{by}{')' if letters.endswith(')') else ''}"
    return f"{step.call}: {result}" + (f" - broken: {step.broken}" if step.broken else "")


def claim(found: Found, choice: Choice) -> str:
    """Return how many outcomes there are, and of how much of all orders."""
    outcomes = count(len(found.outcomes), "outcome")
    if found.diverged:
        more = len(found.diverged)
        orders = f"{count(found.whole, 'order')}{of_shard(choice)}"
        return f"{outcomes}, of {orders}: {more} more came by another way"
    if found.cut or choice.chance is not None:
        total = brief(interleavings(found.longest.values()))
        text = f"{outcomes}, of {count(found.whole, 'order')} of about {total}{of_shard(choice)}"
        text += "" if choice.chance is None else f", by chance, seed {choice.seed}"
        return f"{text}: the time was up" if found.cut else text
    if choice.switches is None:
        return f"{outcomes}, of all orders{of_shard(choice)}"
    few = times(choice.switches, "switch")
    return f"{outcomes}, of all orders with at most {few}{of_shard(choice)}"


def of_shard(choice: Choice) -> str:
    """Return which part of the orders was run, if not the whole."""
    return " of shard {} of {}".format(*choice.shard) if choice.shard else ""


def silent(found: Found, names: Mapping[str, str], points: str) -> Iterator[str]:
    """Yield a line for each program that has made no step in any order."""
    others = "; --points files or --points all makes other calls steps" if points == LOCKS else ""
    for letter, name in names.items():
        if not found.longest.get(letter):
            yield f"{name} makes no lock call{others}"


def brief(number: int) -> str:
    """Return ``24`` or ``1.6e+08``."""
    return str(number) if number < 100_000 else f"{number:.1e}"


def times(number: int, noun: str) -> str:
    """Return ``1 switch``, ``2 switches``."""
    return f"{number} {noun}{'es' * (number != 1)}"
