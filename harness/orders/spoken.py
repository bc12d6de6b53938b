# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that is spoken to under a supervisor: it answers, waits for a lock, or ends.

Its lock calls are answered at once, but for one that would wait: that stands still until it can
have the lock. So does a sleep after a call that was refused, as of a program that asks again and
again: until the lock is free, it sleeps without a clock.
"""

import errno
import os
from contextlib import suppress

from goldlock import linux
from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64
from goldlock.lockcalls.calls import LeaseCall, LockCall, OtherCallError, UncertainError
from goldlock.lockcalls.reading import read_call
from goldlock.lockcalls.seccomp import Notification
from goldlock.lockcalls.words import ByteWords
from goldlock.orders.rest import Restfulness
from goldlock.orders.speech import Speech
from goldlock.orders.starter import Starter
from goldlock.orders.wait import Wait, in_the_way, lock_words

SLEEPS = {
    X86_64: (35, 230, X32_BIT | 35, X32_BIT | 230),
    I386: (162, 267, 407),
    AARCH64: (101, 115),
    ARM: (162, 265, 407),
}
"""The numbers of nanosleep and clock_nanosleep, for each ABI."""
_ROOM = 65536


class SilentError(Exception):
    """A session does not answer, or is not ready; str() says which, and what it said."""


class Spoken:
    """One run of such a program. close() it."""

    def __init__(  # noqa: PLR0913 - each is a thing of its own
        self,
        name: str,
        starter: Starter,
        speech: Speech,
        folder: str,
        words: ByteWords,
        *,
        limit: float,
    ) -> None:
        """Start it in *folder*; OSError when it cannot be started. *words* are names of bytes.

        *limit* is how many seconds it may take to be ready, and for a step.
        """
        self.name, self.limit = name, limit
        self.status: int | None = None
        """Its exit status once it has ended, -N for signal N."""

        self._speech, self._words = speech, words
        self._inside = f"{folder}/"
        self._starter = starter
        self._told, self._number = "", 0
        self._is_asked = True
        self._said = b""
        self._refused: tuple[str, LockCall] | None = None
        self._waits: dict[int, Wait] = {}
        self._rest = Restfulness(starter.pid)
        source, self._input = os.pipe()
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        os.set_blocking(self._input, False)
        self._pidfd = -1
        try:
            self._pid = starter.start(folder, output, source)
            self._pidfd = os.pidfd_open(self._pid)
        except OSError:
            self._close_descriptors()
            raise
        finally:
            os.close(source)
            os.close(output)
        self._write(speech.words("", 0))

    def close(self) -> None:
        """End it, and all that it has started; its locks are free then."""
        if self.status is None:
            self._end()
        self._rest.close()
        self._close_descriptors()

    def tell(self, text: str) -> None:
        """Tell it something; `answer` is what it says then. SilentError: it does not read."""
        self._next(text)
        self._write(self._speech.words(text, self._number))

    def signal(self, number: int) -> None:
        """Send it a signal, which is to end it."""
        self._next("")
        os.kill(self._pid, number)

    def answer(self) -> str | None:
        """Return the answer to what it was told last; None: it is not whole yet."""
        if self.status is None:
            return self._speech.answer(self._text(), self._told, self._number)
        return self._speech.last(self._text(), self._told)

    def take(self) -> str:
        """Return its answer, or what there is of it; what it says from now on is another one."""
        answer = self.answer()
        text = self._text() if answer is None else answer
        self._said, self._is_asked = b"", False
        return text

    @property
    def wait(self) -> Wait | None:
        """The lock for which it waits before it answers; not one that it wants meanwhile."""
        wait = next(iter(self._waits.values()), None)
        return wait if self._is_asked and self.answer() is None else None

    def is_settled(self) -> bool:
        """Return whether it has answered, has ended, or waits for a lock."""
        return not self._is_asked or bool(self._waits) or self.answer() is not None

    def is_at_rest(self) -> bool:
        """Return whether it does nothing until something happens; False may be just for now."""
        return self.status is not None or self._rest.is_at_rest(self._waits)

    def processes(self) -> set[int]:
        """Return the program, and all that it has started."""
        return {pid for pid, _ in linux.processes_below(self._starter.pid)}

    # What happens

    def descriptors(self) -> list[int]:
        """Return what can be read once something has happened."""
        if self.status is not None:
            return []
        output = [self._output] if self._output >= 0 else []
        return [self._starter.listener.fd, self._pidfd, *output]

    def happened(self, descriptor: int) -> None:
        """Take note of what happened."""
        if descriptor == self._output:
            self._read()
        elif descriptor == self._pidfd:
            self._end()
        else:
            self._arrive()

    def go(self) -> bool:
        """Let those threads go on that can have their lock now; return whether there is one."""
        able = [tid for tid, wait in self._waits.items() if wait.can_go()]
        for tid in able:
            wait = self._waits.pop(tid)
            if wait.sleeps:
                self._starter.listener.answer(wait.notification, 0)
            else:
                self._carry_out(wait.notification, wait.call)
        return bool(able)

    def refuse(self, error: int) -> None:
        """Have the call fail that waits."""
        tid, wait = next(iter(self._waits.items()))
        del self._waits[tid]
        wait.call.close()
        self._starter.listener.answer(wait.notification, error)

    def _arrive(self) -> None:
        listener = self._starter.listener
        if not listener.wait():
            return
        notification = listener.call()
        if notification.number in SLEEPS.get(notification.arch, ()):
            self._sleeps(notification)
            return
        try:
            call = read_call(notification)
        except (OSError, ValueError, OtherCallError):  # the kernel refuses it, or it is no matter
            listener.let_through(notification)
            return
        if not isinstance(call, LockCall) or isinstance(call, LeaseCall):
            call.close()
            listener.let_through(notification)
        else:
            self._carry_out(notification, call)

    def _sleeps(self, notification: Notification) -> None:
        """Have a thread sleep until it can have the lock that it was refused, if that is why.

        It was refused itself, or a program was that has ended, as in a loop of a shell.
        """
        tid = notification.tid
        if self._refused and self._refused[1].is_still_refused():
            call = self._refused[1]
            if call.tid == tid or call.pid not in self.processes():
                self._waits[tid] = Wait(*self._refused, notification, sleeps=True)
                return
        self._starter.listener.let_through(notification)

    def _carry_out(self, notification: Notification, call: LockCall) -> None:
        error = self._result(call)
        if error == errno.EAGAIN and call.waits:
            if in_the_way(call):
                words = lock_words(call, self._words, self._inside)
                self._waits[call.tid] = Wait(words, call, notification, sleeps=False)
                return
            error = None  # nothing is known here of who has the lock: it waits in the kernel
        elif error == errno.EAGAIN:
            in_the_way(call)  # which it remembers
            self._refused = (lock_words(call, self._words, self._inside), call)
        elif call.kind != "unlock" and call.call != "test":
            self._refused = None
        call.close()  # before the answer: a lock lasts as long as a copy
        if error is None:
            self._starter.listener.let_through(notification)
        else:
            self._starter.listener.answer(notification, error)

    @staticmethod
    def _result(call: LockCall) -> int | None:
        """Carry a call out; return its errno, 0 for none, or None: the kernel carries it out.

        One that waits is tried, too: flock lets go of the shared lock before it waits for another.
        """
        try:
            if call.performable:
                call.perform()
                return 0
            call.foretell()
        except UncertainError:  # of a lock of its own, where the kernel's table is in motion
            if call.call == "lock" and in_the_way(call):
                return errno.EAGAIN
        except OSError as problem:
            if call.performable or problem.errno == errno.EAGAIN:
                return problem.errno
        return None

    # What goes to and fro

    def _next(self, text: str) -> None:
        self._told = text
        self._number += 1
        self._is_asked, self._refused = True, None

    def _write(self, text: str) -> None:
        left = text.encode("utf-8", "surrogateescape")
        with suppress(BrokenPipeError):  # its end tells
            while left:
                try:
                    left = left[os.write(self._input, left) :]
                except BlockingIOError:
                    raise SilentError(f"{self.name} does not read what it is told") from None

    def _read(self) -> None:
        """Read once what there is: it may print without end."""
        with suppress(BlockingIOError):
            if more := os.read(self._output, _ROOM):
                self._said += more
            else:
                os.close(self._output)
                self._output = -1

    def _text(self) -> str:
        return self._said.decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    def _end(self) -> None:
        for wait in self._waits.values():
            wait.call.close()
        self._waits.clear()
        self.status = os.waitstatus_to_exitcode(self._starter.clear())
        if self._output >= 0:  # a pipe has no more room than this reads
            self._read()

    def _close_descriptors(self) -> None:
        for fd in (self._input, self._output, self._pidfd):
            if fd >= 0:
                os.close(fd)
