# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread that stands still until it can have a lock: which one, and who has it."""

from typing import NamedTuple

from goldlock.lockcalls.calls import LockCall
from goldlock.lockcalls.seccomp import Notification
from goldlock.lockcalls.words import ByteWords, range_words


class Wait(NamedTuple):
    """A thread that stands before a call that waits, or before a sleep after a refusal.

    *words* say which lock it is; *call* asks for it.
    """

    words: str
    call: LockCall
    notification: Notification
    sleeps: bool

    def can_go(self) -> bool:
        """Return whether it could have the lock now; after a refusal: whether it is let go."""
        return not (self.call.is_still_refused() if self.sleeps else in_the_way(self.call))

    def holding(self) -> list[int]:
        """Return the processes whose locks are in the way, as far as they are below this one."""
        return LockCall.holding(self.call) if self.sleeps else in_the_way(self.call)


def in_the_way(call: LockCall) -> list[int]:
    """Return the processes below this one whose locks are in the way of a call.

    They are asked themselves, one by one: the kernel's table may be in motion. The call remembers
    them, for `LockCall.is_still_refused`.
    """
    LockCall.holders(call)
    return LockCall.holding(call)


def lock_words(call: LockCall, words: ByteWords, inside: str) -> str:
    """Return which lock a call asks for; *inside* is the folder of which files need no path."""
    path = call.path()
    shown = path.removeprefix(inside).removesuffix(" (deleted)")
    if call.system == "flock":
        return f"flock of {shown}"
    name = words.name(path, call.first, call.last, call.pid)
    return f"{range_words(call.first, call.last)}{f' ({name})' if name else ''} of {shown}"
