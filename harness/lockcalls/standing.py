# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that stand still: their programs wait for an answer, until it is time to go on."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from goldlock.lockcalls.seccomp import Notification


class Standing:
    """Calls that were received and not answered yet, each with the time at which it goes on."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, Notification]] = {}
        self._paused: dict[int, list[Notification]] = {}

    def add(self, notification: "Notification", milliseconds: int) -> None:
        """Have a call stand still for so long from now on."""
        self._calls[notification.cookie] = (time.monotonic() + milliseconds / 1000, notification)

    def pause(self, notification: "Notification", key: int) -> None:
        """Have a call stand still until all of a key are let go."""
        self._paused.setdefault(key, []).append(notification)

    def let_go(self, key: int) -> "list[Notification]":
        """Return the calls that stood still by a key, in the order in which they came."""
        return self._paused.pop(key, [])

    def due(self) -> "Iterator[Notification]":
        """Yield the calls that go on now, in the order of their times."""
        now = time.monotonic()
        for until, cookie in sorted((until, cookie) for cookie, (until, _) in self._calls.items()):
            if until <= now:
                yield self._calls.pop(cookie)[1]

    def next_due(self) -> int | None:
        """Return in how many milliseconds the next one goes on; None: there is none."""
        if not self._calls:
            return None
        until = min(until for until, _ in self._calls.values())
        return max(0, int((until - time.monotonic()) * 1000) + 1)
