# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be so at each moment of an order at which all programs stand still.

A predicate may look at all that there is, so the order of any two steps that change something
matters to it: with one, those depend on each other.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock.orders import effects, shell
from goldlock.orders.effects import Effect, Step, program_of
from goldlock.orders.holders import Held, Holders, what_holders_see
from goldlock.orders.lane import Lane


class State(NamedTuple):
    """A moment at which all programs stand still: the folder that they run in, and their locks."""

    folder: Path
    held: Sequence[Held]


Predicate = Callable[[State], bool]
"""Tells whether all is as it must be."""


class Command:
    """A predicate: whether a shell's command line succeeds, which reads who holds what."""

    def __init__(self, command: str, limit: float) -> None:
        """Make one, which raises ShellError when it does not end in *limit* seconds, or is none."""
        self.__name__ = command
        self._limit = limit

    def __call__(self, state: State) -> bool:
        held = "".join(f"{each}\n" for each in state.held)
        status, _ = shell.run(self.__name__, state.folder, self._limit, held, quiet=True)
        shell.must_be_found("predicate", self.__name__, status)
        return status == 0


class NotAtFirstError(Exception):
    """What must be so always is not so at first; str() says what."""


class PredicateError(Exception):
    """A predicate cannot tell; str() says where it went wrong, and how."""


def mistake(error: Exception, frame: int) -> str:
    """Return what went wrong in a line, with the place: that of a frame of its traceback."""
    place = traceback.extract_tb(error.__traceback__)[frame]
    text = " ".join(str(error).split())
    return f"{place.filename}:{place.lineno}: {type(error).__name__}: {text}"


class Watch:
    """Looks at each moment of one order."""

    def __init__(
        self,
        names: Mapping[str, str],
        folder: str,
        always: Predicate | None,
        pairs: Mapping[int, int] | None,
    ) -> None:
        """*names* of programs are by letters; *pairs* as of `Holders`, None: no look at those."""
        self._names = names
        self._folder = Path(folder)
        self._always = always
        self._pairs = pairs
        self._holders = None if pairs is None else Holders(pairs)
        self._is_so = True

    def begin(self, lanes: Sequence[Lane]) -> None:
        """Look at the moment at which all programs have been started; raise NotAtFirstError."""
        if self._always and not self._asked(self._always, self._held(lanes)):
            raise NotAtFirstError(f"{_what(self._always)}: not so when all have been started")

    def look(self, number: int, step: Step, lanes: Sequence[Lane]) -> Iterator[tuple[int, str]]:
        """Look at the moment after a step; yield numbers of steps and what they break."""
        if not (self._always or self._holders):
            return
        held = self._held(lanes)
        if self._always and self._is_so:
            self._is_so = self._asked(self._always, held)
            if not self._is_so:
                yield number, _what(self._always)
        if self._holders:
            yield from self._holders.look(number, step, self._names[program_of(step.actor)], held)

    def _asked(self, always: Predicate, held: Sequence[Held]) -> bool:
        """Ask a predicate, which is somebody else's; raise PredicateError."""
        try:
            return bool(always(State(self._folder, held)))
        except shell.ShellError:
            raise
        except Exception as error:
            own = min(1, len(traceback.extract_tb(error.__traceback__)) - 1)
            raise PredicateError(f"{_what(always)}: {mistake(error, own)}") from None

    def _held(self, lanes: Sequence[Lane]) -> list[Held]:
        return sorted(
            {
                Held(self._names[lane.letter], file, lock.first, lock.last, lock.exclusive)
                for lane in lanes
                for file, lock in lane.holdings.held()
            },
            key=str,
        )

    def sees(self, own: Sequence[Effect], *, only_changes: bool) -> Iterator[Effect]:
        """Yield what a step does, beyond its *own* effects, to what is looked at.

        *only_changes*: whatever a program changes is a step of its own.
        """
        looks = (effects.LOOK_READ, effects.LOOK_WRITE)
        changes = not own or any(effect.mode not in looks for effect in own)
        if self._always and (changes or not only_changes):
            yield Effect("what is always so", 0, None, effects.WRITE, is_lock=False)
        if self._pairs is not None:
            yield from what_holders_see(own, self._pairs)


def _what(always: Predicate) -> str:
    return getattr(always, "__name__", "always")
