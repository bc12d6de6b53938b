# SPDX-License-Identifier: GPL-2.0-or-later
"""How calls end that wait for a lock: a program does so itself, and no event tells of its end."""

import os

from goldlock.kernel_locks import covers, locks_of_descriptor
from goldlock.lockcalls.calls import LockCall
from goldlock.lockcalls.posix import is_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSTEMS = {"OFD": "OFDLCK", "POSIX": "POSIX", "flock": "FLOCK"}


_TRIES = 200
"""How often it is looked whether a lock that was let go has another holder: microseconds each."""
LOOK_AGAIN = 5
"""Milliseconds between looks at calls that wait, as there is no event to wait for."""


class Waits:
    """Calls that were let through to wait, until it is known how they have ended."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[LockCall, str]] = {}

    def __bool__(self) -> bool:
        """Return whether any call waits."""
        return bool(self._calls)

    def begin(self, call: LockCall, recorded: str) -> None:
        """Note a call that waits from now on, and what the trace has recorded of it."""
        self._calls[call.tid] = (call, recorded)

    def ended(self, tid: int = 0) -> "Iterator[tuple[str, str]]":
        """Yield what was recorded of each call that waits no longer, and its result.

        That of the thread *tid* does not: it makes another call.
        """
        for waiting, (call, recorded) in list(self._calls.items()):
            result = _result(call) or ("gave up" if waiting == tid else "")
            if result:
                del self._calls[waiting]
                yield recorded, result

    def let_go(self, file: tuple[int, int]) -> "Iterator[tuple[str, str]]":
        """Yield, as `ended`, the calls that get a lock as one on their file is let go."""
        for _ in range(_TRIES):
            yield from self.ended()
            if not any(call.file == file for call, _ in self._calls.values()):
                return
            os.sched_yield()


def _result(call: LockCall) -> str:
    """Return "ok" for a call that has its lock, "gave up" for one that has ended without.

    Nothing while it waits; "unseen" when its process has ended, and could have had it.
    """
    has_ended = is_elsewhere(call)  # asked first: it may get the lock, and go on, meanwhile
    try:
        locks = locks_of_descriptor(call.pid, call.program_fd)
    except OSError:
        return "gave up" if call.is_still_refused() else "unseen"
    exclusive = call.kind in ("write", "exclusive")
    for lock in locks:
        same = lock.system == _SYSTEMS[call.system] and lock.exclusive == exclusive
        if same and covers((lock.first, lock.last), (call.first, call.last)):
            return "ok"
    return "gave up" if has_ended else ""
