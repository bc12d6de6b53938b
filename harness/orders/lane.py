# SPDX-License-Identifier: GPL-2.0-or-later
"""One program in one order: where its threads stand, what it has locked, and whether it has ended.

A program that was let go is waited for by events alone: its next lock call, or its end.
"""

import os
import select
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar

from goldlock import linux
from goldlock.lockcalls.calls import Call, OtherCallError
from goldlock.lockcalls.file_names import Name
from goldlock.lockcalls.file_numbers import IO_URING_SETUP
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.reading import read_call
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders import data, looks, truncations
from goldlock.orders.ends import EndCall, Holdings, is_end
from goldlock.orders.rest import AT_ONCE, Restfulness
from goldlock.orders.starter import Starter

_PACE = 1
"""Milliseconds between looks at threads that are to come to rest, after some at once."""
_NAP = 3
"""The same, while one sleeps for a time that it has set itself, such as the 10 ms of QEMU's."""


class RestlessError(Exception):
    """A program does not come to rest; str() says which."""


_Kept = TypeVar("_Kept")


def exchange(table: dict[str, _Kept], key: str, other: str) -> None:
    """Exchange what a table has for two keys; for *key*, it may have nothing."""
    before = table.get(key)
    table[key] = table.pop(other)
    if before is not None:
        table[other] = before


class Standing:
    """A thread that stands at a lock call, and the call."""

    __slots__ = ("call", "notification")

    def __init__(self, notification: Notification, call: Call) -> None:
        self.notification = notification
        self.call = call


class Lane:
    """One program, started for one order."""

    def __init__(self, letter: str, starter: Starter, folder: str, limit: float) -> None:
        """Start it; OSError when it cannot be started.

        *limit* is how many seconds it may go on without a lock call, and without its end.
        """
        self._limit = int(limit * 1000)
        self.letter = letter
        self.ended = False
        self.standing: dict[str, Standing] = {}
        """The calls at which its threads stand, by actor: "A", "A.2"."""

        self.pids: set[int] = set()
        self.holdings = Holdings(self._processes)
        self._folder = f"{folder}/"
        self._starter = starter
        self._actors: dict[int, str] = {}
        self._named = 0
        self._arrived: dict[int, Standing] = {}
        self._rest = Restfulness(starter.pid)
        self.output = os.memfd_create("output")
        os.lseek(self.output, 0, os.SEEK_SET)
        self.pid = starter.start(folder, self.output)
        self.pids.add(self.pid)
        self._pidfd = os.pidfd_open(self.pid)
        self._poll = select.poll()
        self._poll.register(starter.listener.fd, select.POLLIN)
        self._poll.register(self._pidfd, select.POLLIN)

    def go(self, actor: str, error: int | None) -> None:
        """Let an actor go: its call has returned 0 or *error*; None: the kernel carries it out."""
        standing = self.standing.pop(actor)
        standing.call.close()
        if error is None:
            self._starter.listener.let_through(standing.notification)
        else:
            self._starter.listener.answer(standing.notification, error)

    def come_to_rest(self) -> None:
        """Wait until all threads stand, sleep or have ended; raise RestlessError."""
        looks, since = 0, time.monotonic()
        while not self.ended:
            stands = bool(self.standing or self._arrived)
            rests = stands and self._rest.is_at_rest(self._standing_tids())
            pace = _NAP if self._rest.has_alarm else 0 if rests or looks < AT_ONCE else _PACE
            events = dict(self._poll.poll(pace if stands else self._limit))
            if self._starter.listener.fd in events:
                self._arrive()
                looks, since = 0, time.monotonic()
            elif self._pidfd in events:
                self.ended = True
            elif rests:
                break
            elif stands and time.monotonic() - since < self._limit / 1000:
                looks += 1
            else:
                raise RestlessError(self.letter)
        self._name_arrived()
        if self.ended:  # what runs on behind a program is not waited for
            self._leave()

    def _leave(self) -> None:
        for standing in self.standing.values():
            standing.call.close()
        self.standing.clear()

    def _processes(self) -> Iterable[int]:
        """Return the processes of the program, as far as they are at rest."""
        if not self.ended:
            return self._rest.processes
        return [pid for pid, _ in linux.processes_below(self._starter.pid)]

    def _standing_tids(self) -> set[int]:
        standing = (each.notification.tid for each in self.standing.values())
        return {*standing, *self._arrived}

    def _arrive(self) -> None:
        listener = self._starter.listener
        if not listener.wait():
            return
        notification = listener.call()
        if is_end(notification) and not self.holdings.any():  # as most are, of what is linked
            listener.pass_on()
            return
        try:
            call = self._read(notification)
        except (OSError, ValueError, OtherCallError):  # the kernel refuses it, or it is no matter
            listener.let_through(notification)
            return
        self.pids.add(call.pid)
        self._arrived[notification.tid] = Standing(notification, call)

    def _read(self, notification: Notification) -> Call:
        """Return a call whose order can matter; raise OtherCallError for any other."""
        if is_end(notification):
            end = EndCall(notification)
            if not self.holdings.lets_go(end):
                raise OtherCallError
            return end
        if notification.number == IO_URING_SETUP or looks.is_elsewhere(notification, self._folder):
            raise OtherCallError
        call = (
            data.read(notification, self._folder)
            or truncations.read(notification, self._folder)
            or looks.read(notification)
            or read_call(notification)
        )
        if isinstance(call, FileCall):
            matters = any(self._is_here(name) for name in call.names)
        else:
            matters = call.call != "probe"  # of /dev/null
        if not matters:
            call.close()
            raise OtherCallError
        return call

    def _is_here(self, name: Name) -> bool:
        """Return whether a name is in the folder, or a link there may be on its way."""
        given = name.path if name.path.startswith(self._folder) else os.path.normpath(name.given())
        return given.startswith(self._folder)

    def _name_arrived(self) -> None:
        """Give those that have come to stand their names, which are the same on each run."""
        for tid in sorted(self._arrived):
            if tid not in self._actors:
                self._actors[tid] = self._new_actor()
            self.standing[self._actors[tid]] = self._arrived[tid]
        self._arrived.clear()

    def _new_actor(self) -> str:
        self._named += 1
        return self.letter if self._named == 1 else f"{self.letter}.{self._named}"

    def exchange(self, actor: str, other: str) -> None:
        """Have two threads exchange their names; *actor* may be a name that nobody has."""
        tids = {name: tid for tid, name in self._actors.items()}
        if actor in tids:
            self._actors[tids[actor]] = other
        self._actors[tids[other]] = actor
        self._named = max(self._named, int(actor.partition(".")[2] or 1))
        exchange(self.standing, actor, other)

    def said(self) -> str:
        """Return what it has written."""
        size = os.fstat(self.output).st_size
        return os.pread(self.output, size, 0).decode("utf-8", "surrogateescape")

    def end(self) -> int:
        """End all that runs still of it; return its wait status."""
        self._leave()
        self.holdings.close()
        self._rest.close()
        status = self._starter.clear()
        for fd in (self._pidfd, self.output):
            with suppress(OSError):
                os.close(fd)
        return status
