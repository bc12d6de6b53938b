# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case keeps beside its output: what was said before any filter, and what was seen."""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH123

import os
import re
import shlex
from contextlib import suppress
from functools import cached_property
from typing import IO, TYPE_CHECKING

from goldlock.environment import LOG, Environment
from goldlock.text import heading

if TYPE_CHECKING:
    from goldlock.inspect.lock_table import Watch


class RawLog:
    """The files that an environment names: the raw log, the failure report.

    *refused* matches the messages of a program that was refused a lock; None for none.
    *holders* are the process ids of programs that stay, which are likely to hold locks.
    """

    def __init__(self, environment: Environment, refused: re.Pattern[str] | None = None) -> None:
        self._environment = environment
        self.refused = refused
        self.holders: set[int] = set()

    def add(self, argv: list[str], text: str) -> None:
        """Keep a command line (empty for none) and what came of it, unfiltered.

        Where a lock was refused, the table of locks follows.
        """
        refused = self.refused and self.refused.search(text)
        if argv:
            text = f"$ {shlex.join(argv)}\n{text}"
        if refused:
            text += _told(self._watch.changed(self.holders))
        self.keep(text)

    def headings(self, text: str) -> None:
        """Keep the headings of sections that are in *text*, which the case shows."""
        for line in text.split("\n"):
            if heading(line):
                self.keep(f"{line}\n")

    def keep(self, text: str) -> None:
        """Keep text as it is."""
        with suppress(OSError):  # a full disk is no reason to end what a log only tells of
            self._log.write(text.encode("utf-8", "surrogateescape"))
        if self._environment.goldlock_print:
            self._terminal.write(text.encode("utf-8", "surrogateescape"))

    def append_task(self, title: str, folder: str) -> None:
        """Add the log of a task, which is in *folder*, as one block under its title."""
        with suppress(OSError):  # as in keep
            self._log.write(f"[{title}]\n".encode("utf-8", "surrogateescape") + read(folder, LOG))

    def failure_report(self, text: str) -> None:
        """Keep what was seen at a failure; the first that is kept counts."""
        path = self._environment.goldlock_failure_report
        if text and path:
            with suppress(OSError), open(path, "x", encoding="utf-8") as file:
                file.write(text.encode("utf-8", "replace").decode())

    @cached_property
    def _watch(self) -> "Watch":
        from goldlock.inspect.lock_table import Watch  # only where a lock is refused

        return Watch(self._environment.test_dir)

    @cached_property
    def _log(self) -> IO[bytes]:
        return open(self._environment.goldlock_log or os.devnull, "ab", buffering=0)

    @cached_property
    def _terminal(self) -> IO[bytes]:
        terminal = open(self._environment.goldlock_print, "ab", buffering=0)  # noqa: SIM115 - open until the case ends
        terminal.write(b"\n")  # the case's name stands there already
        return terminal


def _told(table: str | None) -> str:
    if table is None:
        return "# locks: as before\n"
    return f"# locks:\n{table}" if table else "# locks: none\n"


def read(folder: str, name: str) -> bytes:
    """Return what is in a file of *folder*; nothing when it is not there."""
    try:
        with open(f"{folder}/{name}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
