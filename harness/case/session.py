# SPDX-License-Identifier: GPL-2.0-or-later
"""A program under test that stays, and is spoken to step by step.

The program's standard output and error are one pipe, so that what it prints keeps its
order, and no terminal echoes anything. Every wait is for an event: an answer, or the end
of the program; the time limit only bounds what a broken program can cost.
"""

import os
from select import POLLIN, poll
from subprocess import PIPE, STDOUT
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import pexpect
from goldlock.case import stack_dump
from goldlock.case.program import Program
from goldlock.errors import CaseError, capture_context
from goldlock.text import it_printed
from pexpect.fdpexpect import fdspawn
from pexpect.spawnbase import SpawnBase

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ANSWER_LIMIT = 30.0
"""Seconds that a program has for one answer."""

NOTHING = "nothing; if it holds back what it prints to a pipe, stdbuf -o0 before it lets that out"
"""What a program has printed that is waited for in vain."""

WRAPPER_GRACE = 2.0
"""Seconds that the command before a program has to notice its end, and to finish its log."""


class _Output(fdspawn):  # type: ignore[type-arg] # it takes one for mypy only
    """What a program prints, waited for by a clock that nobody sets: pexpect's is that of the day.

    *limit* is how many seconds there are for each of the things that are expected, if any.
    """

    def __init__(self, file: Any, limit: float | None) -> None:
        super().__init__(file, timeout=None)
        self.delayafterread = None  # pexpect would sleep after each read
        self._limit, self._deadline = limit, 0.0
        self._readable = poll()
        self._readable.register(file, POLLIN)

    def find(self, *wanted: bytes | type[pexpect.EOF]) -> int:
        """Read up to the first of these that comes, and return its index.

        Raises pexpect.TIMEOUT, and pexpect.EOF where that is not wanted.
        """
        self._deadline = monotonic() + (self._limit or 0)
        return self.expect_exact([*wanted])

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:
        """Read what there is, once there is something, as pexpect asks for it."""
        left = self._deadline - monotonic() if self._limit else None
        # It may print without end, but not what is wanted.
        if left is not None and (left < 0 or not self._readable.poll(left * 1000)):
            raise pexpect.TIMEOUT("")
        text: bytes = SpawnBase.read_nonblocking(self, size, timeout)
        return text


class Session:
    """A running program; a subclass adds the language that it speaks.

    Use it in a ``with`` statement, whose end kills the program. A wrapped program may take
    any time to answer, and is killed below the command that stands before it.

    A subclass waits in `_greet` until the program is ready, and has `_send` and `_line` or
    `_until` to speak with it. Each of them raises CaseError for a program that is silent.
    """

    def __init__(self, program: Program, *arguments: str, limit: float = 0) -> None:
        """Start the program; *limit* is seconds for one answer, `ANSWER_LIMIT` if 0."""
        argv = program.argv(*arguments)
        self.name = os.path.basename(program.alias or argv[0])  # noqa: PTH119 - a name, not a file
        self._keep = program.keep
        self._wrapped = program.wrapped
        self._keep(argv, "")
        try:
            self.process = program.popen(argv, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        except OSError as error:
            raise CaseError(f"cannot start {self.name}: {error}") from None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self.limit = limit or ANSWER_LIMIT
        self._stream = _Output(self._stdout, None if self._wrapped else self.limit)
        self._printed: list[str] = []
        try:
            self._greet()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if error:
            capture_context(error)  # while it still holds what it holds
        self.kill()

    @property
    def pid(self) -> int:
        """The process id of the program, or of the command that stands before it."""
        return self.process.pid

    def kill(self) -> None:
        """Kill the program and wait for its end, which frees its locks. Shows nothing."""
        if self._wrapped:
            self._kill_descendants()
        self.process.kill()
        self.process.wait()
        self._stdin.close()
        self._stdout.close()

    def wait(self) -> int:
        """Wait for the end of a program that was told to quit; return its exit status."""
        self._end_of_output()
        with self._waiting_for("to end"):
            status = self.process.wait()
        self._keep([], f"[{self.name}: exit status {status}]\n")
        return status

    def _kill_descendants(self) -> None:
        """Kill the program below the command that stands before it, which then may finish its log.

        Killed itself, strace would leave its program running, with all its locks.
        """
        from goldlock.inspect import processes  # only for those who look inside

        descendants = processes.descendants(self.process.pid)
        for each in descendants:
            processes.kill(each)
        if descendants:
            processes.wait_for_exit(self.process.pid, WRAPPER_GRACE)

    def _greet(self) -> None:
        """Wait until the program is ready."""
        raise NotImplementedError

    def _end_of_output(self) -> None:
        """Read all that the program still prints."""
        while self._line("to end") is not None:
            pass

    def _send(self, text: str) -> None:
        """Write *text* and a line end to the program."""
        self._keep([], f"-> {text}\n")
        left = memoryview(f"{text}\n".encode("utf-8", "surrogateescape"))
        try:
            while left:  # a write that the end of the reader cuts short fails only at the next
                left = left[self._stdin.write(left) :]
        except BrokenPipeError:
            raise self._silent(f"to take {text!r}") from None

    def _line(self, purpose: str) -> str | None:
        """Read a line; None at the end. What was left without a line end is a line, too."""
        try:
            with self._waiting_for(purpose):
                found = self._stream.find(b"\n", pexpect.EOF)
        except pexpect.TIMEOUT:
            raise self._silent(purpose) from None
        line = self._before()
        if found == 1 and not line:
            return None
        self._printed.append(line)
        self._keep([], f"<- {line}\n")
        return line

    def _until(self, marker: bytes, purpose: str) -> str:
        """Read up to *marker*, such as a prompt; return what came before it."""
        try:
            with self._waiting_for(purpose):
                self._stream.find(marker)
        except (pexpect.TIMEOUT, pexpect.EOF):
            self._printed.extend(self._before().splitlines())
            raise self._silent(purpose) from None
        text = self._before().replace("\r\n", "\n")
        self._printed.append(text)
        self._keep([], text)
        return text

    def _waiting_for(self, purpose: str) -> "AbstractContextManager[None]":
        return stack_dump.waiting_for(f"{self.name} (pid {self.process.pid}) {purpose}")

    def _before(self) -> str:
        """Return what pexpect read before it found what it was to find."""
        before: Any = self._stream.before
        return bytes(before).decode("utf-8", "surrogateescape")

    def _silent(self, purpose: str) -> CaseError:
        """Return an error for a program that did not do what it was to do."""
        status = self.process.poll()
        if status is None and self._stream.flag_eof:
            status = self.process.wait()
        state = f"within {self.limit:g} s" if status is None else f"(exit status {status})"
        said = it_printed("\n".join(self._printed), NOTHING)
        return CaseError(f"{self.name} failed {purpose} {state}{said}")
