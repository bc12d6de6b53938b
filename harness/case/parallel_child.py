# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of a part of a case, and the file that keeps what it writes."""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH102

import os
import re
import signal
from collections.abc import Callable
from select import POLLIN, poll
from typing import NoReturn

from goldlock.inspect import processes

_CHUNK = 65536
_GRACE = 1.0
"""Seconds that a process has to end; the case has more when it is ended itself."""

_HEADING = re.compile(rb"^(=+ .+ =+)\s*$", re.M)


class Part:
    """One part: its folder, its process, its output so far, and how it ended.

    The folder has what the runner's has for a case: ``test``, ``home``, ``output``, ``log``...
    """

    def __init__(self, name: str, title: str, folder: str, story: Callable[[], object]) -> None:
        self.name = name
        self.title = title
        self.folder = folder
        self.story = story
        self.pid = 0
        self.status: int | None = None
        self._pidfd = self._output = -1
        self._shown = 0

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self.pid > 0 and self.status is None

    def fileno(self) -> int:
        """Return a descriptor that is readable once its process has ended."""
        return self._pidfd

    def start(self, be: Callable[[int], NoReturn]) -> None:
        """Fork a process that calls *be*, with the file for its output."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        for name in ("test", "home"):
            os.mkdir(f"{self.folder}/{name}")
        self._output = os.open(f"{self.folder}/output", flags, 0o666)
        self.pid = os.fork()
        if self.pid == 0:
            be(self._output)
        self._pidfd = os.pidfd_open(self.pid)

    def end(self) -> None:
        """Kill its process, and all below that; return when they are gone."""
        processes.kill_tree(self.pid)
        self.reap()

    def terminate(self) -> None:
        """End its process alone, which may tell first what it waits for."""
        os.kill(self.pid, signal.SIGTERM)
        if not processes.ends(self.pid, _GRACE):
            os.kill(self.pid, signal.SIGKILL)
        self.reap()

    def reap(self) -> None:
        """Learn how its process has ended."""
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self._pidfd)

    def show(self) -> None:
        """Write to standard output what it has written since this was last called."""
        while self.pid and (text := os.pread(self._output, _CHUNK, self._shown)):
            self._shown += len(text)
            while text:
                text = text[os.write(1, text) :]

    def state(self) -> str:
        """Return in words how far it came."""
        if not self.pid:
            return "not started"
        if self.status is not None:
            return f"ended with status {self.status}" if self.status else "done"
        headings = _HEADING.findall(os.pread(self._output, os.fstat(self._output).st_size, 0))
        if not headings:
            return "running, before its first heading"
        return f"running, in {headings[-1].decode('utf-8', 'replace')}"


def wait_for(parts: list[Part]) -> list[Part]:
    """Wait until the process of one or more of the parts has ended; return those."""
    waiting = poll()
    for part in parts:
        waiting.register(part, POLLIN)
    ready = {fd for fd, _ in waiting.poll()}
    return [part for part in parts if part.fileno() in ready]
