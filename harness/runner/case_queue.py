# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases that wait to be run, and which of them may start."""

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from goldlock.suite.cases import Case


class Turn(NamedTuple):
    """A case's turn to run: to be judged, or only to be watched, for so many seconds at most."""

    case: Case
    watched: float = 0.0


class Line:
    """Cases in the order in which they start; for one thread at a time.

    One that is ``exclusive`` is passed by while another of its name runs. What is to be watched
    comes first, and one after the other.
    """

    def __init__(self) -> None:
        self._rounds: Iterator[list[Case]] = iter(())
        self._waiting: deque[Turn] = deque()
        self._to_watch: deque[Turn] = deque()
        self._names: set[str] = set()
        self._running: Counter[Path] = Counter()
        self._watches = False

    def add(self, rounds: Iterator[list[Case]]) -> None:
        """Put cases at the end: lists of them, each as it is come to."""
        self._rounds = chain(self._rounds, rounds)

    def clear(self) -> None:
        """Let nothing start any more, but for what was judged and is to be watched."""
        self._waiting.clear()
        self._rounds = iter(())

    def running(self) -> list[Path]:
        """Return the cases that run, or are to run again, in the order in which they started."""
        return [*self._running]

    def is_done(self) -> bool:
        """Tell whether there is nothing left to start."""
        while not self._waiting and (cases := next(self._rounds, None)):
            self._waiting.extend(map(Turn, cases))
        return not (self._waiting or self._to_watch)

    def take(self) -> Turn | None:
        """Start the first case that may; None while there is none."""
        if not self._watches and (turn := self._first_of(self._to_watch)):
            self._watches = True
            return turn
        if turn := self._first_of(self._waiting):
            self._running[turn.case.path] += 1
        return turn

    def take_early(self, more_than: float) -> Turn | None:
        """Start a case that has to wait for its worker yet, if *more_than* so many wait.

        None, too, where it would hold up others, or be held up.
        """
        watch = self._to_watch and not self._watches
        if watch or not len(self._waiting) > more_than or self._waiting[0].case.exclusive:
            return None
        turn = self._waiting.popleft()
        self._running[turn.case.path] += 1
        return turn

    def put_back(self, turn: Turn) -> None:
        """Put a case back to the front that was started, and did not run."""
        self.ended(turn)
        self._waiting.appendleft(turn)

    def ended(self, turn: Turn, watch: float = 0.0) -> None:
        """Note that a case runs no longer; or is to run again, watched for *watch* seconds."""
        self._names.discard(turn.case.exclusive)
        if turn.watched:
            self._watches = False
        if watch:
            self._to_watch.append(Turn(turn.case, watch))
            return
        self._running[turn.case.path] -= 1
        if not self._running[turn.case.path]:
            del self._running[turn.case.path]

    def _first_of(self, turns: deque[Turn]) -> Turn | None:
        for turn in turns:
            name = turn.case.exclusive
            if name not in self._names:
                turns.remove(turn)
                if name:
                    self._names.add(name)
                return turn
        return None
