# SPDX-License-Identifier: GPL-2.0-or-later
"""Any program that stays, and is spoken to: by a prompt, or by having it print a marker."""

import fcntl
import os
import re
from contextlib import suppress
from math import inf
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from goldlock.case.program import Program
from goldlock.case.session import Session
from goldlock.case.waits import Fields, reach, size_of_trace, state_of
from goldlock.errors import CaseError
from goldlock.inspect import processes, states
from goldlock.linux import ending

if TYPE_CHECKING:
    from goldlock.case.output import Output

_ROOM = 1024 * 1024
"""Bytes that a program may print before somebody reads them; what a pipe has at the most."""


class Holder(Session):
    """A program that `Case.start` has started, which stays until it is killed, or ends.

    *speech* is its prompt and its marker, either may be empty; *ready* what it waits for first.
    """

    def __init__(
        self,
        program: Program,
        *arguments: str,
        case: "Output",
        speech: tuple[str, str] = ("", ""),
        ready: Fields = Fields(),  # noqa: B008 - it is not changed
        limit: float = 0,
    ) -> None:
        self._case = case
        self._prompt, self._marker = speech
        self._ready = ready
        self._own_name = program.own_name
        self._asked = 0
        self._told = ""
        self.told_at = 0
        """How much there was of the trace of lock calls when it was told something."""

        super().__init__(program, *arguments, limit=limit)
        self.name = program.name

    # To speak with it

    def ask(self, text: str, *, show: bool = True) -> str:
        """Send a line, wait for the answer, show both, and return the answer.

        What is shown is ``NAME> line``, and the answer as it came, with paths filtered.
        """
        self.tell(text, show=show)
        return self.answer(show=show)

    def tell(self, text: str, *, show: bool = True) -> None:
        """Show a line and send it; `answer` waits for what comes of it.

        For one that is to wait for a lock, in the meantime: ``case.wait_for(blocked=holder)``.
        """
        if show:
            self._case.log(f"{self.name}> {text}", self._case.paths)
        self._told = text
        self.told_at = size_of_trace()
        # At once: it may end at the first line, and not take the second.
        self._send(f"{text}\n{self._next_mark()}" if self._marker else text)

    def answer(self, *, show: bool = True) -> str:
        """Wait for the answer to the line that was sent, show it, and return it."""
        text = self._until(self._end_of_answer(), "to answer")
        text = self._without_echo(text)
        if show:
            self._case.log(text, self._own_name, self._case.stderr_output)
        return text

    def line(self, wanted: "str | re.Pattern[str]") -> str:
        """Wait until it prints a line with a text in it, or that a pattern finds; return that."""
        purpose = f"to print a line with {states.shown(wanted)}"
        while (line := self._line(purpose)) is not None:
            if states.fits(line, wanted):
                return line
        raise self._silent(purpose)

    def close_input(self) -> None:
        """Let it read the end of its input, at which many programs end."""
        self._stdin.close()

    # Its end

    def signal(self, number: int) -> None:
        """Send it a signal, and do not wait for what comes of that."""
        self.process.send_signal(number)

    def wait(self, *, show: bool = True) -> int:
        """Wait for its end; show what it still prints, and how it ended, if not with status 0.

        Returns the exit status, -N where signal N ended it.
        """
        text = self._rest()
        status = self.process.wait()
        self._keep([], f"{text}[{self.name}: exit status {status}]\n")
        if show:
            self._case.log(self._without_echo(text), self._own_name, self._case.stderr_output)
            self._case.log(ending(status), str)
        return status

    def kill(self) -> None:
        """Kill it and all that it started, and wait for their end. Shows nothing.

        When this returns, they are gone for everybody: their locks are free, and no ``kill -0``
        finds them.
        """
        below: list[int] = []
        if self._wrapped:
            self._kill_descendants()
        if self.process.poll() is None:
            below = [pid for pid in processes.kill_tree(self.pid) if pid != self.pid]
            self.process.wait()
        self._stdin.close()
        self._stdout.close()
        for pid in below:
            reach(states.Gone(pid))

    # How it is told that it is ready

    def _greet(self) -> None:
        with suppress(OSError):  # a user may have as many pipes as are allowed
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _ROOM)
        if self._marker:
            self._send(self._next_mark())
        if self._prompt or self._marker:
            self._until(self._end_of_answer(), "to be ready")
        if "line" in self._ready and "of" not in self._ready:
            self.line(self._ready["line"])
        elif self._ready:
            self._reach(dict(self._ready))

    def _reach(self, ready: dict[str, object]) -> None:
        if "locked" in ready:
            ready.setdefault("by", self)
        state = state_of(ready)  # type: ignore[arg-type] # what `Case.start` was given
        state.needs = self.pid
        try:
            reach(state, inf if self._wrapped else self.limit)
        except CaseError as error:
            if self.process.poll() is None:
                raise
            self._printed.append(self._rest().rstrip("\n"))
            raise self._silent(f"to be ready ({error})") from None

    def _without_echo(self, text: str) -> str:
        """Drop the line that was sent: some programs with a prompt write it back."""
        return text.removeprefix(f"{self._told}\n") if self._prompt else text

    def _next_mark(self) -> str:
        self._asked += 1
        return self._marker.replace("{}", self._mark_text())

    def _mark_text(self) -> str:
        return f"goldlock-answer-{self._asked}"

    def _end_of_answer(self) -> bytes:
        if self._marker:
            return f"{self._mark_text()}\n".encode()
        if not self._prompt:
            raise CaseError(f"{self.name} has no prompt: start it with prompt= or marker=")
        return self._prompt.encode()

    def _rest(self) -> str:
        """Read what it prints up to its end; what it started may have its output open still."""
        read: Any = self._stream.buffer  # of bytes, though the types of pexpect say str
        output = self._stdout.fileno()
        os.set_blocking(output, False)
        text = bytes(read)
        if self.process.poll() is None:
            with self._waiting_for("to end"):
                text += self._until_it_ends(output)
        text += _available(output)  # all that is its own: others may print on for ever
        return text.decode("utf-8", "surrogateescape")

    def _until_it_ends(self, output: int) -> bytes:
        ended, text = os.pidfd_open(self.pid), b""
        waits = poll()
        waits.register(ended, POLLIN)
        waits.register(output, POLLIN)
        deadline = monotonic() + self.limit
        try:
            while ended not in (ready := {fd for fd, _ in waits.poll(self._left(deadline))}):
                if output in ready:
                    more = _available(output)
                    text += more
                    if not more:  # closed by all who could write
                        waits.unregister(output)
                if self._left(deadline) == 0:  # it may print without end
                    self._printed.append(text.decode("utf-8", "surrogateescape"))
                    raise self._silent("to end")
        finally:
            os.close(ended)
        return text

    def _left(self, deadline: float) -> float | None:
        """Return how many milliseconds are left; a wrapped program has any time."""
        return None if self._wrapped else max(0, deadline - monotonic()) * 1000


def _available(descriptor: int) -> bytes:
    """Read what can be read at once; nothing where that is nothing yet, or never."""
    with suppress(BlockingIOError):
        return os.read(descriptor, _ROOM)
    return b""
