# SPDX-License-Identifier: GPL-2.0-or-later
"""What is run in each order."""

from collections.abc import Callable
from typing import NamedTuple

from goldlock.lockcalls.words import ByteWords
from goldlock.orders.always import Predicate
from goldlock.orders.effects import LOCKS
from goldlock.orders.jobs import LETTERS
from goldlock.orders.shell import LIMIT


class Programs(NamedTuple):
    """What is run in each order.

    *names* and *commands* belong together; *outcome* is a command line for a shell, "" for a
    listing of files; *words* names bytes; *points* says what is a step, as in effects. *limit* is
    how many seconds a program may go on without a lock call or its end, and *outcome* in all.
    *clean* is applied to what steps are called: what is not the same on each run goes there. A
    program stands by its letter, A for the first one. *always* must be so whenever all stand
    still; with *holders*, no two may hold what excludes each other.
    """

    names: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    outcome: str
    words: ByteWords
    points: str = LOCKS
    limit: float = LIMIT
    clean: Callable[[str], str] = str
    always: Predicate | None = None
    holders: bool = False

    @property
    def by_letter(self) -> dict[str, str]:
        """The names by the letters of order strings."""
        return dict(zip(LETTERS, self.names, strict=False))
