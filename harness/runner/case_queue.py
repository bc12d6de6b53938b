# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases that wait to be run, and which of them may start."""

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from goldlock.suite.cases import Case


class CaseQueue:
    """Cases in the order in which they start; for one thread at a time.

    One that is ``exclusive`` is passed by while another of its name runs.
    """

    def __init__(self) -> None:
        self._rounds: Iterator[list[Case]] = iter(())
        self._waiting: deque[Case] = deque()
        self._names: set[str] = set()
        self._running: Counter[Path] = Counter()

    def add(self, rounds: Iterator[list[Case]]) -> None:
        """Put cases at the end: lists of them, each as it is come to."""
        self._rounds = chain(self._rounds, rounds)

    def put_back(self, case: Case) -> None:
        """Have a case that was taken, and could not start, be the next."""
        self.ended(case)
        self.add_first(case)

    def add_first(self, case: Case) -> None:
        """Have a case be the next: once more, for it may take long."""
        self._waiting.appendleft(case)

    def clear(self) -> None:
        """Let nothing start any more."""
        self._waiting.clear()
        self._rounds = iter(())

    def running(self) -> list[Path]:
        """Return the cases that run, or are to run again, in the order in which they started."""
        return [*self._running]

    def is_done(self) -> bool:
        """Tell whether there is nothing left to start."""
        while not self._waiting and (cases := next(self._rounds, None)):
            self._waiting.extend(cases)
        return not self._waiting

    def take(self) -> Case | None:
        """Start the first case that may; None while there is none."""
        for case in self._waiting:
            if case.exclusive not in self._names:
                self._waiting.remove(case)
                if case.exclusive:
                    self._names.add(case.exclusive)
                self._running[case.path] += 1
                return case
        return None

    def ended(self, case: Case) -> None:
        """Note that a case runs no longer."""
        self._names.discard(case.exclusive)
        self._running[case.path] -= 1
        if not self._running[case.path]:
            del self._running[case.path]
