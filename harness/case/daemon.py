# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that forked away: no child of the case, and waited for as if it were one."""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH123

import os
import signal
from typing import Self

from goldlock.case.program import Program
from goldlock.case.waits import Fields, reach, state_of
from goldlock.errors import CaseError, capture_context
from goldlock.inspect import process_facts, processes, states


class Daemon:
    """A daemon that `Case.daemon` has had started.

    ``pid`` is its process id, ``started`` what came of the program that left it behind.
    """

    def __init__(
        self, program: Program, *arguments: str, pidfile: str, ready: Fields, limit: float = 0
    ) -> None:
        self.name = program.name
        self._keep = program.keep
        began = process_facts.clock_ticks()
        self.started = program(*arguments)
        if self.started.status:
            raise CaseError(
                f"{self.name} left no daemon behind {self.started.ending}; it printed:\n"
                f"{self.started.text or '  nothing'}"
            )
        file = _PidFile(pidfile, began)
        reach(file, limit)
        self.pid, self._pidfd = file.pid, file.pidfd
        self._keep(
            [], f"[{self.name}: daemon with pid {self.pid}, {process_facts.name(self.pid)}]\n"
        )
        if ready:
            if "locked" in ready:
                ready.setdefault("by", self)
            state = state_of(ready)
            state.needs = self.pid
            try:
                reach(state, limit)
            except BaseException:
                self.kill()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if error:
            capture_context(error)  # while it still holds what it holds
        self.kill()

    def signal(self, number: int) -> None:
        """Send it alone a signal, as ``kill`` does; `wait` waits for its end.

        Raises ProcessLookupError where it is gone.
        """
        signal.pidfd_send_signal(self._pidfd, number)

    def wait(self, limit: float = 0) -> None:
        """Wait for its end. When this returns, no ``kill -0`` finds it any more.

        Raises CaseError after *limit* seconds, 30 by default.
        """
        reach(states.Gone(self.pid), limit)

    def kill(self) -> None:
        """Kill it and all below it; when this returns, they are gone for everybody."""
        try:
            self.signal(0)
        except ProcessLookupError:
            return
        for pid in processes.kill_tree(self.pid):
            reach(states.Gone(pid))


class _PidFile(states.State):
    """A file has the pid of a process that was started since a moment, in clock ticks.

    What is in a stale file may be another's by now.
    """

    def __init__(self, path: str, since: int) -> None:
        self._path = path
        self._since = since
        self.folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - as above
        self.pid, self.pidfd = 0, -1

    def reached(self) -> bool:
        self.pid = self._read()
        if self.pid <= 0:
            return False
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:
            return False
        if process_facts.started_at(self.pid) >= self._since:
            return True
        os.close(self.pidfd)
        return False

    def __str__(self) -> str:
        return f"the pid of a daemon in {self._path}"

    def instead(self) -> str:
        if self.pid <= 0 and os.path.exists(self._path):  # noqa: PTH110 - as above
            return "what is there begins with no number"
        if self.pid <= 0:
            return states.beside(self._path)
        return f"it has {self.pid}, which is {states.named(self.pid)}, and no daemon of this start"

    def _read(self) -> int:
        try:
            with open(self._path, encoding="ascii") as file:
                return int(file.readline())
        except (OSError, ValueError):
            return 0
