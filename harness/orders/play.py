# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one order: let one actor go at a time, and see what each of its calls does."""

import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from goldlock.linux import errno_name
from goldlock.lockcalls.calls import Call, LockCall, UncertainError
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.trace import call_text
from goldlock.orders import effects
from goldlock.orders.always import Watch
from goldlock.orders.data import DataCall
from goldlock.orders.effects import ALL, LOCKS, Effect, Step
from goldlock.orders.ends import EndCall, space
from goldlock.orders.guide import Guide, there_is
from goldlock.orders.jobs import LETTERS, Job, Ran
from goldlock.orders.lane import Lane, exchange
from goldlock.orders.names import data_effects, name_effects
from goldlock.orders.outcome import without_pids
from goldlock.orders.programs import Programs
from goldlock.orders.starter import Starter
from goldlock.text import count

MOST_STEPS = 2000
"""Steps of one order, at most: more are of a program that asks for ever."""
_TRIES = 5


class OrderError(Exception):
    """The actor that was asked for cannot go; str() says after how many steps, and why."""


class EndlessError(Exception):
    """The steps of an order come to no end; str() says whose."""


class Played(NamedTuple):
    """One order that was run: its steps, how each program ended, and what it wrote.

    *waits* has, at a deadlock, for each actor its call in words, and who is in its way.
    """

    ran: Ran
    statuses: tuple[int, ...]
    said: tuple[str, ...]
    waits: Mapping[str, tuple[str, tuple[str, ...]]]


class Player:
    """Runs orders of the same programs, one after the other, each in a folder of its own."""

    def __init__(self, starters: Sequence[Starter], programs: Programs) -> None:
        """There is a starter for each of the programs."""
        self._starters = starters
        self._programs = programs

    def play(self, job: Job, folder: str) -> Played:
        """Run an order in a folder.

        Raises OSError for a program that cannot be started, DivergedError, EndlessError,
        NotAtFirstError, OrderError, and RestlessError.
        """
        game = _Game(self._programs, folder)
        try:
            for letter, starter in zip(LETTERS, self._starters, strict=False):
                game.enter(Lane(letter, starter, folder, self._programs.limit))
            ran, waits = game.run(job)
        except BaseException:
            game.end()
            raise
        pids = {pid for lane in game.lanes for pid in lane.pids}
        said = tuple(without_pids(lane.said(), pids) for lane in game.lanes)
        return Played(ran, game.end(), said, waits)


class _Game:
    """One order while it runs."""

    def __init__(self, programs: Programs, folder: str) -> None:
        self._programs = programs
        self._watch = Watch(
            programs.by_letter,
            folder,
            programs.always,
            programs.words.pairs if programs.holders else None,
        )
        self.lanes: list[Lane] = []
        self._folder = folder
        self._files: dict[tuple[int, int], str] = {}
        self._texts: dict[str, tuple[Call, str, str]] = {}

    def enter(self, lane: Lane) -> None:
        """Have one program more, which has just been started; it goes up to its first call."""
        self.lanes.append(lane)
        lane.come_to_rest()
        self._take_down(lane)

    def end(self) -> tuple[int, ...]:
        """End all programs; return their wait statuses."""
        return tuple(lane.end() for lane in self.lanes)

    def run(self, job: Job) -> tuple[Ran, dict[str, tuple[str, tuple[str, ...]]]]:
        """Run the order to its end."""
        steps: list[Step] = []
        states: list[dict[str, str]] = []
        guide = Guide(job)
        self._watch.begin(self.lanes)
        while True:
            wanted, text = guide.wanted()
            self._name_as(wanted, text)
            able = [actor for actor in self._texts if self._can_go(actor)]
            states.append({actor: self._texts[actor][2] for actor in able})
            if wanted and not text and wanted not in able:
                raise OrderError(self._why_not(wanted, len(steps), states[-1]))
            actor, end = guide.choose(states[-1])
            if not actor:
                waits = {each: self._wait(each) for each in self._texts if each not in able}
                tries = {each: self._seen(self._effects(*self._texts[each][:2])) for each in waits}
                end = "deadlock" if waits and not able else end
                return Ran(tuple(steps), tuple(states), end, tries), waits
            steps.append(self._step(actor))
            guide.went(steps[-1])
            for number, text in self._watch.look(len(steps) - 1, steps[-1], self.lanes):
                steps[number] = steps[number]._replace(broken=text)
            if len(steps) > MOST_STEPS:
                raise EndlessError(actor)

    def _why_not(self, actor: str, after: int, able: Mapping[str, str]) -> str:
        """Return why an actor cannot go, after so many steps."""
        if actor in self._texts:
            call, letters = self._wait(actor)
            why = f"{actor} waits: {call}, held by {' and '.join(letters)}"
        elif self._lane(actor).ended:
            why = f"{effects.program_of(actor)} has ended"
        else:
            why = f"{actor} has no step to make"
        return f"after {count(after, 'step')}, {why}; there is {there_is(able)}"

    def _name_as(self, actor: str, text: str) -> None:
        """Give an actor's name to the thread of its program that is about to make its call.

        Which of several idle threads takes up the work of a program is up to chance.
        """
        if not text or (actor in self._texts and self._texts[actor][2] == text):
            return
        program = effects.program_of(actor)
        for other in sorted(self._texts):
            if effects.program_of(other) == program and self._texts[other][2] == text:
                self._lane(actor).exchange(actor, other)
                exchange(self._texts, actor, other)
                return

    def _lane(self, actor: str) -> Lane:
        return next(lane for lane in self.lanes if lane.letter == effects.program_of(actor))

    def _take_down(self, lane: Lane) -> None:
        """Note the calls at which threads have come to stand."""
        for actor in [a for a in self._texts if effects.program_of(a) == lane.letter]:
            if actor not in lane.standing:
                del self._texts[actor]
        for actor, standing in lane.standing.items():
            known = self._texts.get(actor)
            if known is None or known[0] is not standing.call:
                call = standing.call
                name = self._name(call)
                self._texts[actor] = (call, name, self._text(call, name))

    def _name(self, call: Call) -> str:
        """Return the name of an open file: that which it was met by, whatever became of it."""
        if isinstance(call, LockCall | DataCall):
            if call.file not in self._files:
                self._files[call.file] = self._new_name(call.path())
            return self._files[call.file]
        return ""

    def _text(self, call: Call, name: str) -> str:
        if isinstance(call, EndCall) and call.call == "exit":
            return "exit"
        if isinstance(call, DataCall):
            return call.text(name)
        return call_text(call, self._programs.words, lambda path: name or self._short(path))

    def _short(self, path: str) -> str:
        return self._programs.clean(
            path.removeprefix(f"{self._folder}/").removesuffix(" (deleted)")
        )

    def _new_name(self, path: str) -> str:
        shown = self._short(path)
        taken = sum(name.partition("#")[0] == shown for name in self._files.values())
        return f"{shown}#{taken}" if taken else shown

    def _can_go(self, actor: str) -> bool:
        call = self._texts[actor][0]
        return not call.waits or not call.would_wait()

    def _wait(self, actor: str) -> tuple[str, tuple[str, ...]]:
        call, _, text = self._texts[actor]
        return text, self._in_the_way(call)

    def _in_the_way(self, call: Call) -> tuple[str, ...]:
        """Return the letters of the programs whose locks are in the way of a call."""
        call.holders()
        found = set(call.holding())
        return tuple(lane.letter for lane in self.lanes if found & lane.pids)

    def _step(self, actor: str) -> Step:
        call, name, text = self._texts.pop(actor)
        lane = self._lane(actor)
        if isinstance(call, FileCall):
            call.look_again()
        result, error = self._carried_out(call)
        if isinstance(call, LockCall) and call.kind != "unlock":
            lane.holdings.note(call.pid, call.program_fd, name, call.file)
        own = self._effects(call, name)  # before it goes: which bytes are new is still to be seen
        lane.go(actor, error)
        lane.come_to_rest()
        self._take_down(lane)
        seen = self._seen((*own, *lane.holdings.ends()))
        return Step(actor, text, result, seen, call.waits)

    def _seen(self, own: tuple[Effect, ...]) -> tuple[Effect, ...]:
        only_changes = self._programs.points == ALL
        return (*own, *self._watch.sees(own, only_changes=only_changes))

    def _carried_out(self, call: Call) -> tuple[str, int | None]:
        """Carry a call out, or foretell it; return its result, and what it is answered with."""
        if isinstance(call, EndCall):
            return "ok", None
        try:
            if call.performable:
                result, error = call.perform(), 0
            else:
                result, error = _foretold(call), None
        except UncertainError:
            return "unseen", None
        except OSError as problem:
            code = problem.errno or 0
            by = self._in_the_way(call) if code == errno.EAGAIN else ()
            held = f" (held by {' '.join(by)})" if by else ""
            return f"{errno_name(code)}{held}", code if call.performable else None
        if not result:  # of an open of what is there
            return "ok", error
        if result == "held":
            result = " ".join(("held by", *self._in_the_way(call)))
        return result, error

    def _effects(self, call: Call, name: str) -> tuple[Effect, ...]:
        """Return what a call does, or tries to do.

        It must not depend on the result: in an order that was not run it may be another one. What
        is unlocked is found out by who has it, see `Holdings`.
        """
        own = self._own_effects(call, name)
        points = self._programs.points
        if points == LOCKS:
            return own
        return (*own, *data_effects(call, name, self._short, reads=points == ALL))

    def _own_effects(self, call: Call, name: str) -> tuple[Effect, ...]:
        if isinstance(call, FileCall):
            return tuple(name_effects(call, self._short))
        if call.kind == "unlock" or isinstance(call, DataCall):
            return ()
        strong = call.kind in ("write", "exclusive")
        if call.call == "test":
            mode = effects.LOOK_WRITE if strong else effects.LOOK_READ
        else:
            mode = effects.WRITE if strong else effects.READ
        return (Effect(space(name, call.system == "flock"), call.first, call.last, mode),)


def _foretold(call: Call) -> str:
    """Foretell a call. The table of locks may change while it is read, by locks of anybody."""
    for _ in range(_TRIES):
        with suppress(UncertainError):
            return call.foretell()
    return call.foretell()
