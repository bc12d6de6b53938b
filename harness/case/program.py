# SPDX-License-Identifier: GPL-2.0-or-later
"""A program under test, and what came of a run of it."""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH100, PTH103, PTH108, PTH114, PTH119, PTH211

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from goldlock.case import stack_dump
from goldlock.errors import CaseError
from goldlock.linux import ending
from goldlock.stand_ins import ALIAS, stands_for_program

Start = Callable[..., "subprocess.Popen[bytes]"]
"""Starts a program: takes a command line and the streams, as `subprocess.Popen` does."""


class Completed(NamedTuple):
    """A program that ran to its end: its exit status (-N: ended by signal N), what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it wrote: standard output, then standard error."""
        return self.stdout + self.stderr

    @property
    def ending(self) -> str:
        """How it ended, if not with exit status 0: ``[exit status 1]``, ``[ended by SIGKILL]``."""
        return ending(self.status)


class Program:
    """A program under test. Call it with arguments, and it runs to its end.

    *command* is the path of the program, empty where there is none, and the options that the
    runner chose for it: they go before the arguments, and are not part of what `echo` shows.
    *keep* takes a command line and what came of it, for the raw log. A *wrapped* program has
    another before it, such as strace. ``alias`` is a link to it whose name the kernel knows its
    processes by; empty for none.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        keep: Callable[[list[str], str], None],
        start: Start = subprocess.Popen,
        *,
        wrapped: bool = False,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.keep = keep
        self.start = start
        self.wrapped = wrapped
        self.alias = ""

    def __call__(self, *arguments: str, stdin: str = "") -> Completed:
        """Run the program on *arguments*, feed it *stdin*, and wait for its end.

        Only the program itself is waited for, not what it leaves in the background.
        Raises CaseError when it is not there.
        """
        argv = self.argv(*arguments)
        # Files, not pipes: a daemon that the program leaves behind keeps a pipe open.
        out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
        try:
            source = subprocess.PIPE if stdin else subprocess.DEVNULL
            process = self.popen(argv, stdin=source, stdout=out, stderr=err)
            if stdin:
                _feed(process, stdin)
            with stack_dump.waiting_for(f"{self.name} (pid {process.pid}) to end"):
                status = process.wait()
            done = Completed(status, _content(out), _content(err))
        except OSError as error:
            raise CaseError(f"cannot start {self.name}: {error}") from None
        finally:
            os.close(out)
            os.close(err)
        self.keep(argv, f"{done.stdout}{done.stderr}[exit status {done.status}]\n")
        return done

    def popen(self, argv: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
        """Start a command line of `argv`; the streams are as `subprocess.Popen` takes them."""
        if self.alias and stands_for_program(argv[0]):
            streams["env"] = {**os.environ, ALIAS: self.alias}
        elif self.alias:
            streams["executable"] = self.alias
        return self.start(argv, **streams)

    def known_as(self, name: str, folder: str) -> "Self":
        """Return the program under another name: that of its processes, and in what is shown.

        The name is that of a link to it in *folder*. Raises CaseError for what is no name.
        """
        import copy  # few programs want it

        other = copy.copy(self)
        other.name = name
        other.alias = _alias(folder, name, self.command[0])
        return other

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line; raise CaseError when the program is not there."""
        if not self.command[0]:
            raise CaseError(f"{self.name} is not installed; {self.way_out}")
        return [*self.command, *arguments]

    @property
    def way_out(self) -> str:
        """What a case can do that cannot do without the program."""
        return "case.not_run(reason) ends a case that cannot do without"

    def echo(self, *arguments: str) -> str:
        """Return the command as goldens show it: as a person would type it in a shell."""
        return shlex.join((self.name, *arguments))

    def own_name(self, text: str) -> str:
        """Write its name for its path, by which it names itself at the begin of what it says.

        before: ``/usr/bin/flock: invalid option``
        after:  ``flock: invalid option``
        """
        names = {os.path.basename(self.command[0]), self.name}
        known = "|".join(map(re.escape, names))
        return re.sub(rf"^/\S*/({known})(?=: )", r"\1", text, flags=re.M)


def _alias(folder: str, name: str, path: str) -> str:
    """Make a link to the program at *path*, after which the kernel names its processes; return it.

    Raises CaseError for what is no name for a process.
    """
    if not _NAME.fullmatch(name):
        raise CaseError(f"{name!r} is no name for a process: 1 to 15 of A-Z a-z 0-9 _ . -")
    os.makedirs(folder, exist_ok=True)
    link = f"{folder}/{name}"
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(os.path.abspath(path), link)
    return link


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def _feed(process: "subprocess.Popen[bytes]", text: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(text.encode("utf-8", "surrogateescape"))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended before it read: its exit status and messages tell why


def _content(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "surrogateescape")
