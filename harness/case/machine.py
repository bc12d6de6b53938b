# SPDX-License-Identifier: GPL-2.0-or-later
"""A long-lived program under test, driven over its monitor.

The program's standard output and error are one pipe, so that what it prints keeps its
order, and no terminal echoes anything. Every wait is for an event: an answer, or the end
of the program; the time limit only bounds what a broken program can cost.
"""

import json
import os
import subprocess
from collections.abc import Callable
from subprocess import PIPE, STDOUT
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pexpect
from goldlock.case import stack_dump
from goldlock.errors import CaseError, look_around
from pexpect.fdpexpect import fdspawn

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from goldlock.case.embedded_fork import Start

ANSWER_LIMIT = 30.0
"""Seconds that a program has for one answer."""


class Machine:
    """A running program; `Qmp` and `Hmp` add the languages of its monitors.

    *show_command* and *show_answer* print what the case shows, *record* keeps what was
    said before any filter; *start* starts it. A *wrapped* program has another before it, such as
    strace: it may take any time to answer, and is killed below that other one.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a case lends it
        self,
        argv: list[str],
        show_command: Callable[[str], None],
        show_answer: Callable[[str], None],
        record: Callable[[list[str], str], None],
        start: "Start" = subprocess.Popen,
        wrapped: bool = False,
    ) -> None:
        self.name = os.path.basename(argv[0])  # noqa: PTH119 - a name, not a file
        self._show_command = show_command
        self._show_answer = show_answer
        self._record = record
        self._wrapped = wrapped
        record(argv, "")
        try:
            self.process = start(argv, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        except OSError as error:
            raise CaseError(f"cannot start {self.name}: {error}") from None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        limit = None if wrapped else ANSWER_LIMIT
        self._stream = fdspawn(self._stdout, timeout=limit, use_poll=True)
        self._stream.delayafterread = None  # pexpect would sleep after each read
        self._said: list[str] = []
        try:
            self._greeting()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if error:
            look_around(error)  # while it still holds what it holds
        self.kill()

    def kill(self) -> None:
        """Kill the program and wait for its end, which frees its locks. Shows nothing."""
        if self._wrapped:
            from goldlock.case.wrapped import kill_below  # only for those who look inside

            kill_below(self.process.pid)
        self.process.kill()
        self.process.wait()
        self._stdin.close()
        self._stdout.close()

    def wait(self) -> int:
        """Wait for the end of a program that was told to quit; return its exit status.

        Shows what it still says, the events last.
        """
        for line in self._lines_until_end():
            self._show_answer(line)
        with self._waiting("to end"):
            status = self.process.wait()
        self._record([], f"[{self.name}: exit status {status}]\n")
        return status

    def _greeting(self) -> None:
        raise NotImplementedError

    def _lines_until_end(self) -> list[str]:
        lines = []
        while (line := self._line("to end")) is not None:
            lines.append(line)
        return lines

    def _send(self, text: str) -> None:
        self._record([], f"-> {text}\n")
        try:
            self._stdin.write(f"{text}\n".encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            raise self._silence(f"to take {text!r}") from None

    def _line(self, purpose: str) -> str | None:
        """Read a line; None at the end. What was left without a line end is a line, too."""
        try:
            with self._waiting(purpose):
                found = self._stream.expect_exact([b"\n", pexpect.EOF])
        except pexpect.TIMEOUT:
            raise self._silence(purpose) from None
        line = self._before()
        if found == 1 and not line:
            return None
        self._said.append(line)
        self._record([], f"<- {line}\n")
        return line

    def _waiting(self, purpose: str) -> "AbstractContextManager[None]":
        return stack_dump.waiting(f"{self.name} (pid {self.process.pid}) {purpose}")

    def _before(self) -> str:
        """Return what pexpect read before it found what it was to find."""
        before: Any = self._stream.before
        return bytes(before).decode("utf-8", "surrogateescape")

    def _silence(self, purpose: str) -> CaseError:
        """Describe a program that did not do what it was to do."""
        status = self.process.poll()
        if status is None and self._stream.flag_eof:
            status = self.process.wait()
        state = f"within {ANSWER_LIMIT:g} s" if status is None else f"(exit status {status})"
        said = "\n".join(f"  {line}" for line in self._said) or "  nothing"
        return CaseError(f"{self.name} failed {purpose} {state}; it printed:\n{said}")


class Qmp(Machine):
    """A program with a QMP monitor.

    Answers and events are two streams: QEMU may send an event before or after the answer
    to the command that caused it. The answer is shown at once, events when the case asks
    for them, or waits for the program's end.
    """

    def _greeting(self) -> None:
        self._events: list[str] = []
        for line in iter(lambda: self._line("to greet"), None):
            if _message(line).get("QMP") is not None:
                return
        raise self._silence("to greet")

    def qmp(self, command: str) -> dict[str, Any]:
        """Show a command, send it, and show its answer, which is returned.

        *command* is sent as it is written; QEMU takes single quotes, too. Raises CaseError
        when no answer comes.
        """
        self.send(command)
        for line in iter(lambda: self._line(f"to answer {' '.join(command.split())}"), None):
            message = _message(line)
            if "event" in message:
                self._events.append(line)
                continue
            self._show_answer(line)
            if "return" in message or "error" in message:
                return message
        raise self._silence(f"to answer {' '.join(command.split())}")

    def hmp(self, line: str) -> dict[str, Any]:
        """Send a command of the human monitor through QMP; show and return the answer."""
        line = line.replace("\\", "\\\\").replace("'", "\\'")
        return self.qmp(
            f"{{ 'execute': 'human-monitor-command', 'arguments': {{ 'command-line': '{line}' }} }}"
        )

    def send(self, command: str) -> None:
        """Show a command and send it; do not wait for an answer."""
        self._show_command(command)
        self._send(command)

    def event(self, name: str) -> dict[str, Any]:
        """Wait for the next event called *name*, show it, and return it."""
        for known in self._events:
            if _message(known)["event"] == name:
                self._events.remove(known)
                break
        else:
            known = self._next_event(name)
        self._show_answer(known)
        return _message(known)

    def _next_event(self, name: str) -> str:
        for line in iter(lambda: self._line(f"to send the event {name}"), None):
            if (other := _message(line).get("event")) == name:
                return line
            if other is None:
                self._show_answer(line)
            else:
                self._events.append(line)
        raise self._silence(f"to send the event {name}")

    def _lines_until_end(self) -> list[str]:
        lines = super()._lines_until_end()
        events = [line for line in lines if "event" in _message(line)]
        rest = [line for line in lines if line not in events]
        return [*rest, *self._events, *events]


class Hmp(Machine):
    """A program with a human monitor."""

    PROMPT = b"(qemu) "

    def _greeting(self) -> None:
        self._until_prompt("to greet")

    def hmp(self, command: str) -> str:
        """Show a command, send it, and show its answer, which is returned."""
        self._show_command(f"(qemu) {command}")
        self._send(command)
        # The line editor writes the command back, letter by letter, as the first line.
        answer = self._until_prompt(f"to answer {command!r}").partition("\n")[2]
        if answer:
            self._show_answer(answer)
        return answer

    def _until_prompt(self, purpose: str) -> str:
        try:
            with self._waiting(purpose):
                self._stream.expect_exact(self.PROMPT)
        except (pexpect.TIMEOUT, pexpect.EOF):
            self._said.extend(self._before().splitlines())
            raise self._silence(purpose) from None
        text = self._before().replace("\r\n", "\n")
        self._said.append(text)
        self._record([], text)
        return text


def _message(line: str) -> dict[str, Any]:
    """Return a line's JSON object; an empty one for anything else that a program prints."""
    if not line.startswith("{"):
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
