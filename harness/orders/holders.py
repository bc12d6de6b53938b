# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two programs hold what excludes each other.

An exclusive lock has one holder: the kernel sees to that for one file and one kind of lock, and
not for a file that has taken the place of another one. And there are bytes that exclude each other
for those who ask, as QEMU does: who has locked the one, and has found the other one free since,
holds it.

It is enough for all orders that who takes the one depends on who lets go of the other: then the
steps between which both are held are the same for all orders of one history.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from goldlock.kernel_locks import overlap
from goldlock.lockcalls.words import range_text
from goldlock.orders import effects
from goldlock.orders.effects import Effect, Step

_OF_LOCKS = (effects.READ, effects.WRITE, effects.END_READ, effects.END_WRITE)


class Held(NamedTuple):
    """A lock that a program has: *last* None is the end of the file."""

    program: str
    file: str
    first: int
    last: int | None
    exclusive: bool

    def __str__(self) -> str:
        kind = "exclusive" if self.exclusive else "shared"
        return f"{self.program} holds {range_text(self.first, self.last)} of {self.file}, {kind}"

    @property
    def name(self) -> str:
        """The name of the file, though another one may have it now."""
        return _name(self.file)


def what_holders_see(own: Iterable[Effect], pairs: Mapping[int, int]) -> Iterator[Effect]:
    """Yield what makes steps of holders depend on each other that exclude each other.

    The kernel does not see to all of that: by its name a file may be another one, and *pairs* of
    bytes exclude each other for those who ask.
    """
    opposite = {other: byte for byte, other in pairs.items()}
    for effect in own:
        if effect.mode not in _OF_LOCKS or not effect.is_lock:
            continue
        name = _name(effect.name.removeprefix("flock of "))
        yield effect._replace(name=f"holders of {name}", is_lock=False)
        ends = effect.mode in (effects.END_READ, effects.END_WRITE)
        strong = (effects.WRITE, effects.END_WRITE)
        weak = (effects.READ, effects.END_READ)
        for own_byte in _bytes_in(effect.first, effect.last, (*pairs, *opposite)):
            byte = opposite.get(own_byte, own_byte)
            mode = (strong if own_byte in opposite else weak)[ends]
            yield Effect(f"holders of a pair of {name}", byte, byte, mode, is_lock=False)


@dataclass
class _Hold:
    """How long a byte is held: *asked*, when it was found that nobody has the opposite one."""

    held: Held
    since: int
    asked: int | None = None
    has_asked: bool = False
    was_told: bool = False
    until: int = 0

    def start(self) -> int | None:
        """Return with which step it has come to be held; None: it was given up."""
        return self.asked if self.has_asked else None if self.was_told else self.since


class Holders:
    """Looks on, step by step, that no two programs hold what excludes each other."""

    def __init__(self, pairs: Mapping[int, int]) -> None:
        """*pairs* are bytes that exclude each other for those who ask."""
        self._opposite = {**pairs, **{b: a for a, b in pairs.items()}}
        self._clashes: set[tuple[Held, Held]] = set()
        self._holds: dict[Held, _Hold] = {}
        self._over: list[_Hold] = []

    def look(
        self, number: int, step: Step, program: str, held: Sequence[Held]
    ) -> Iterator[tuple[int, str]]:
        """Look at what is *held* after the step of a program; yield a step and what it breaks."""
        pairs = combinations(sorted(held, key=str), 2)
        clashes = {(one, other) for one, other in pairs if _are_exclusive(one, other)}
        for one, other in sorted(clashes - self._clashes, key=str):
            yield number, f"{one}, and {other}"
        self._clashes = clashes
        now = [
            each._replace(first=byte, last=byte)
            for each in held
            for byte in _bytes_in(each.first, each.last, self._opposite)
        ]
        for each in now:
            self._holds.setdefault(each, _Hold(each, number))
        self._note_asked(number, step, program)
        for each in [each for each in self._holds if each not in now]:
            yield from self._end(self._holds.pop(each), number)

    def _note_asked(self, number: int, step: Step, program: str) -> None:
        is_told = "held by" in step.result or step.result.startswith("EAGAIN")
        for effect in step.effects:
            for hold in self._holds.values():
                if hold.held.program == program and hold.held.file == effect.name:
                    hold.was_told |= is_told
                    asks = effect.mode in (effects.LOOK_READ, effects.LOOK_WRITE)
                    if asks and self._opposite[hold.held.first] == effect.first == effect.last:
                        hold.has_asked = True
                        hold.asked = None if is_told else number

    def _end(self, hold: _Hold, number: int) -> Iterator[tuple[int, str]]:
        start = hold.start()
        if start is None:
            return
        hold.until = number
        for other in self._over:
            since = other.start()
            if since is None or not self._exclude(hold.held, other.held):
                continue
            if since < number and start < other.until:
                one, two = sorted((hold.held, other.held), key=str)
                yield max(start, since), f"{one}, and {two}"
        self._over.append(hold)

    def _exclude(self, one: Held, other: Held) -> bool:
        are_two = one.program != other.program and one.name == other.name
        return are_two and self._opposite[one.first] == other.first


def _bytes_in(first: int, last: int | None, some: Iterable[int]) -> Iterator[int]:
    """Yield which of some bytes are in a range: the kernel makes one of those side by side.

    None, if it goes to the end of the file: who locks all of it means no byte, nor does flock(2).
    """
    return (byte for byte in some if last is not None and first <= byte <= last)


def _are_exclusive(one: Held, other: Held) -> bool:
    meet = overlap((one.first, one.last), (other.first, other.last))
    are_two = one.program != other.program and one.name == other.name
    return are_two and meet and (one.exclusive or other.exclusive)


def _name(file: str) -> str:
    return file.partition("#")[0]
