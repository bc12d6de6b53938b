# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait for a state: by events where the kernel has them, by looks where it has none.

A process's end and a change in a folder are events. That a lock is taken, or waited for, or that a
socket is listened on, the kernel tells nobody: there a look follows another, 1 ms later, and up to
20 ms when it takes long. Whatever the pace, what is waited for is what decides, never a time.
"""

# `goldlock wait` starts often, and pathlib takes 5 ms to load:
# ruff: noqa: PTH112, PTH120

import os
from math import inf
from select import POLLIN, poll
from time import monotonic

from goldlock.inspect.states import State, named

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from goldlock.linux import FolderWatch

LIMIT = 30.0
"""Seconds that a state has to come about, if nobody says another time."""


def default_limit() -> float:
    """Return for how many seconds a case waits, if it does not say; for ever where it is wrapped.

    Below valgrind or a debugger a program may take any time; the time limit of the case is its end.
    """
    return inf if os.environ.get("GOLDLOCK_WRAPPED") else LIMIT


_FIRST_LOOK, _LAST_LOOK = 1.0, 20.0
"""Milliseconds between looks at what has no event: they become more."""
_ANYWAY = 500.0
"""Milliseconds between looks at what has one: some file systems tell of no change."""


def wait(state: State, limit: float = LIMIT) -> str:
    """Wait until a state is reached, *limit* seconds at most.

    Returns nothing, or in words, which may be lines, why not: what was waited for, and what is
    there instead. Once a process is gone that it needs, it cannot be reached any more.
    """
    if state.reached():
        return ""
    who = named(state.needs) if state.needs else ""
    deadline = monotonic() + limit
    events = _Events(state)
    try:
        while True:
            events.prepare()
            in_vain = events.gone(state.needs)  # first: what it did at its end counts
            if state.reached():
                return ""
            if in_vain:
                return f"waited for {state}, and {who} has ended; {state.instead()}"
            left = deadline - monotonic()
            if left <= 0:
                return f"waited {limit:g} s for {state}; {state.instead()}"
            events.wait(left * 1000, quick=state.untold())
    finally:
        events.close()


class _Events:
    """What may bring a state about, or make it impossible."""

    def __init__(self, state: State) -> None:
        self._poll = poll()
        self._pidfds: dict[int, int] = {}
        self._gone = set[int]()
        for pid in {state.needs, state.ends} - {0}:
            self._watch_process(pid)
        self._folder = state.folder
        self._watch: FolderWatch | None = None
        if self._folder:
            self._watch_folders()
        self._blind = not (self._watch or (state.ends and state.ends not in self._gone))
        self._pause = _FIRST_LOOK

    def _watch_process(self, pid: int) -> None:
        try:
            self._pidfds[pid] = os.pidfd_open(pid)
        except OSError:  # gone, or but a thread
            self._gone.add(pid)
            return
        self._poll.register(self._pidfds[pid], POLLIN)

    def _watch_folders(self) -> None:
        from goldlock.linux import FolderWatch  # only where a file is waited for

        try:
            self._watch = FolderWatch()
        except OSError:  # too many of them: looks do, too
            return
        self._poll.register(self._watch, POLLIN)

    def prepare(self) -> None:
        """Be told of all that happens from now on."""
        if self._watch is None:
            return
        self._watch.clear()
        folder = self._folder
        while not os.path.isdir(folder) and folder != "/":
            folder = os.path.dirname(folder)
        try:
            self._watch.add(folder)
        except OSError:  # gone meanwhile, or no room for a watch
            self._blind = True

    def gone(self, pid: int) -> bool:
        """Tell whether a process that is watched has ended."""
        return pid in self._gone

    def wait(self, most: float, *, quick: bool) -> None:
        """Wait for an event, or until it is time for a look, a *quick* one where there is none.

        No longer than *most* milliseconds.
        """
        pause = _ANYWAY
        if quick or self._blind:
            pause, self._pause = self._pause, min(self._pause * 2, _LAST_LOOK)
        ready = {fd for fd, _ in self._poll.poll(min(pause, most))}
        for pid, pidfd in self._pidfds.items():
            if pidfd in ready:
                self._gone.add(pid)
                self._poll.unregister(pidfd)
                self._blind = True  # of when its parent takes note

    def close(self) -> None:
        """Watch no longer."""
        for pidfd in self._pidfds.values():
            os.close(pidfd)
        if self._watch:
            self._watch.close()
