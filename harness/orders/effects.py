# SPDX-License-Identifier: GPL-2.0-or-later
"""When the order of two steps can matter: what steps do to locks, and which of that depends."""

from collections.abc import Sequence
from typing import NamedTuple

from goldlock.kernel_locks import overlap

LOOK_READ, LOOK_WRITE = "look for a read lock", "look for a write lock"
READ, WRITE = "read", "write"
END_READ, END_WRITE = "end of a read lock", "end of a write lock"

_SEES_READ = {LOOK_WRITE, WRITE}
_SEES_WRITE = {LOOK_READ, LOOK_WRITE, READ, WRITE}
_DEPENDS = {
    LOOK_READ: {WRITE, END_WRITE},
    LOOK_WRITE: {READ, WRITE, END_READ, END_WRITE},
    READ: {LOOK_WRITE, WRITE, END_WRITE},
    WRITE: {*_SEES_WRITE, END_READ, END_WRITE},
    END_READ: _SEES_READ,
    END_WRITE: _SEES_WRITE,
}


POINTS = LOCKS, FILES, ALL = "locks", "files", "all"
"""What is a step: lock calls; or what makes, removes and looks at files, too; or all of data."""


class Effect(NamedTuple):
    """What a step did, or tried, to a range of what *name* names: a file, with the kind of locks.

    *last* None is the end. *mode*: a lock that was got is READ or WRITE, one that was let go is
    END_READ or END_WRITE; a test, and a lock that was refused, only looked. What is no lock, *name*
    calls by more than the file, and is read and written likewise.
    """

    name: str
    first: int
    last: int | None
    mode: str
    is_lock: bool = True

    def depends(self, other: "Effect") -> bool:
        """Return whether it matters which of the two comes first."""
        return (
            self.name == other.name
            and other.mode in _DEPENDS[self.mode]
            and overlap((self.first, self.last), (other.first, other.last))
        )


class Step(NamedTuple):
    """What an actor did when it was let go once.

    actor    a letter for the program and, but for its first thread, a number: "A", "A.2"
    call     the call in words: "lock 101 of t.qcow2, read"
    result   "ok", "EAGAIN (held by B)" and so on
    effects  what it did to locks, that which was let go with closed files included
    waits    whether the call would have waited for a lock that was taken
    broken   what it breaks that must be so always
    """

    actor: str
    call: str
    result: str
    effects: tuple[Effect, ...]
    waits: bool = False
    broken: str = ""


def program_of(actor: str) -> str:
    """Return the letter of the program that an actor belongs to."""
    return actor.partition(".")[0]


def depends(a: str, of_a: Sequence[Effect], b: str, of_b: Sequence[Effect]) -> bool:
    """Return whether the order of a step of actor *a* and one of actor *b* can matter.

    Those of one program always may: its threads have more in common than locks.
    """
    if program_of(a) == program_of(b):
        return True
    return any(one.depends(other) for one in of_a for other in of_b)
