# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions that are told their steps one at a time, each of which ends before the next one begins.

A step ends when its session has answered, has ended, or waits for a lock, and all sessions are at
rest. Nothing of that is decided by a clock: the limit only bounds what a broken program can cost.
"""

import errno
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from goldlock.orders.rest import AT_ONCE
from goldlock.orders.spoken import SilentError, Spoken
from goldlock.orders.wait import Wait
from goldlock.text import it_printed

_PACE = 0.001
"""Seconds between looks at threads that are to come to rest, after some at once."""
_LONG = 3600


class Stage:
    """The sessions of one permutation."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sessions: list[Spoken] = []
        self._waiting: list[Spoken] = []
        """Those that wait, in the order in which they began to."""

    def enter(self, session: Spoken) -> None:
        """Have one session more, which has just been started, and wait until it is ready."""
        self._sessions.append(session)
        self._settle(session, "to be ready")
        if session.status is not None or session.wait:
            waits = f"waits for {session.wait.words}" if session.wait else "has ended"
            raise SilentError(f"{session.name} {waits} before it is ready{_quoted(session.take())}")
        session.take()

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions:
            session.close()

    def able(self) -> list[str]:
        """Return the names of the sessions that can be told a step."""
        return [s.name for s in self._sessions if s.status is None and not s.wait]

    def ended(self) -> list[Spoken]:
        """Return the sessions that have ended."""
        return [each for each in self._sessions if each.status is not None]

    def waits(self) -> dict[str, str]:
        """Return what each session waits for that does: ``byte 201 of t.qcow2, held by reader``."""
        waits = {s.name: s.wait for s in self._waiting}
        return {name: self._in_words(wait) for name, wait in waits.items() if wait}

    def step(self, name: str, step: str | int) -> Iterator[tuple[Spoken, str]]:
        """Tell a session a step, or send it a signal; yield it, and what it waits for, if it does.

        After it come the sessions whose wait has ended by that, in this order.
        """
        session = next(s for s in self._sessions if s.name == name)
        if isinstance(step, int):
            session.signal(step)
        else:
            session.tell(step)
        self._advance(session, f"to answer {step!r}")
        if session.wait:
            self._waiting.append(session)
        yield session, self._in_words(session.wait) if session.wait else ""
        for each in self._proceed():
            yield each, ""

    def deadlock(self) -> dict[str, list[str]]:
        """Return the sessions that wait for each other, for ever, and whom each waits for."""
        waits = {s.name: self._holders(s.wait) for s in self._waiting if s.wait}
        return {name: held for name, held in waits.items() if name in _reach(name, waits)}

    def _proceed(self) -> Iterator[Spoken]:
        """Let sessions have what they waited for, who began first before others; yield who is done.

        One that has its lock may have let another one's go by the time that it is done.
        """
        while session := self._next():
            self._advance(session, "to go on")
            if session in self._waiting and not session.wait:
                self._waiting.remove(session)
                yield session

    def _next(self) -> Spoken | None:
        """Return a session that can go on, which it does, or that was ended while it waited."""
        for session in self._waiting:
            if session.status is not None or session.go():
                return session
        return next((each for each in self._sessions if each.go()), None)

    def _advance(self, session: Spoken, purpose: str) -> None:
        """Wait until a session has answered, has ended, or waits rightly for a lock.

        A POSIX lock belongs to a process, and the kernel refuses to let it wait in a circle.
        """
        self._settle(session, purpose)
        while session.wait and self._is_posix_deadlock(session.wait):
            session.refuse(errno.EDEADLK)
            self._settle(session, purpose)

    def _settle(self, session: Spoken, purpose: str) -> None:
        """Serve all, until one is settled and all are at rest."""
        end = time.monotonic() + session.limit
        looks = 0
        while (left := end - time.monotonic()) > 0:
            settled = session.is_settled()
            pace = (0 if looks < AT_ONCE else _PACE) if settled else min(left, _LONG)
            happened = self._serve(pace)
            looks = 0 if happened else looks + 1
            rests = settled and not happened and all(each.is_at_rest() for each in self._sessions)
            # What was done before they came to rest is there to be read.
            if rests and not self._serve(0):
                return
        raise SilentError(self._late(session, purpose))

    def _serve(self, pace: float) -> bool:
        """Answer calls, take note of what was said; return whether anything came in *pace* s."""
        whose = {fd: each for each in self._sessions for fd in each.descriptors()}
        poll = select.poll()
        for fd in whose:
            poll.register(fd, select.POLLIN)
        events = poll.poll(pace * 1000)
        for fd, _ in events:
            if fd in whose[fd].descriptors():
                whose[fd].happened(fd)
        return bool(events)

    def _late(self, session: Spoken, purpose: str) -> str:
        busy = " and ".join(each.name for each in self._sessions if not each.is_at_rest())
        why = (
            f": {busy} did not come to rest" if session.is_settled() else ", and waits for no lock"
        )
        text = f"{session.name} failed {purpose} within {session.limit:g} s{why}"
        return text + _quoted(session.take())

    def _in_words(self, wait: Wait) -> str:
        by = " and ".join(self._holders(wait))
        return f"{wait.words}{f', held by {by}' if by else ''}"

    def _holders(self, wait: Wait) -> list[str]:
        found = set(wait.holding())
        return [each.name for each in self._sessions if found & each.processes()]

    def _is_posix_deadlock(self, wait: Wait) -> bool:
        """Return whether a process waits for itself, by POSIX locks alone."""
        others = [s.wait for s in self._sessions if s.wait and not s.wait.sleeps]
        posix = [each for each in others if each.call.system == "POSIX"]
        waits = {each.call.pid: each.holding() for each in posix}
        return wait.call.pid in _reach(wait.call.pid, waits)


T = TypeVar("T")


def _reach(start: T, waits: Mapping[T, Sequence[T]]) -> set[T]:
    """Return all whom one waits for, and those whom they wait for, and so on."""
    found: set[T] = set()
    todo = [start]
    while todo:
        new = set(waits.get(todo.pop(), ())) - found
        found |= new
        todo += new
    return found


def _quoted(said: str) -> str:
    return it_printed(said.removesuffix("\n"))
