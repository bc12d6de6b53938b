# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks on while a case runs, and notes which files it creates outside its directories."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from select import POLLHUP, POLLIN, poll
from threading import Thread
from typing import NamedTuple

from goldlock.lockcalls import seccomp
from goldlock.lockcalls.calls import program_name
from goldlock.runner import creation_syscalls
from goldlock.runner.leaked_files import is_ours
from goldlock.runner.spawn import apart

_MOST = 10_000
"""Files that are noted, past which no more are."""

_READY, _LONGEST = b"+", 16
"""What comes with the listener, and of what there is to say, the length at most."""


class Seen(NamedTuple):
    """A file that a case created, or opened so that it would have been."""

    path: Path
    program: str
    """What did so."""
    was_there: bool


class Witness:
    """Starts one case under a filter, and hears of each call that may create a file.

    *own* are the directories where it may.
    """

    def __init__(self, own: Sequence[Path]) -> None:
        self._own = tuple(f"{os.path.realpath(path)}/" for path in own)
        self._known = creation_syscalls.calls(os.uname().machine)
        self._seen: dict[str, Seen] = {}
        self._end, self._stop = os.pipe()
        self._thread: Thread | None = None

    def start(
        self, argv: Sequence[str], environ: Mapping[str, str], directory: Path, output: int
    ) -> int:
        """Start a program, as `goldlock.runner.spawn.Start` says. Raises OSError."""
        if not self._known:
            raise OSError(0, "no system call numbers known for this machine")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            pid = os.fork()
            if pid == 0:
                with apart(environ, directory, output):
                    try:
                        listener = seccomp.install(creation_syscalls.program(os.uname().machine))
                        socket.send_fds(theirs, [_READY], [listener])
                        os.close(listener)
                        os.execve(argv[0], list(argv), environ)
                    except OSError as error:
                        theirs.send(str(error.errno).encode())
            theirs.close()
            said, listeners, _, _ = socket.recv_fds(ours, _LONGEST, 1)
            if listeners:
                os.set_inheritable(listeners[0], False)
                self._thread = Thread(target=self._look_on, args=(listeners[0],), daemon=True)
                self._thread.start()
                said = ours.recv(_LONGEST)  # it is closed once the program has been executed
        if said:
            os.waitpid(pid, 0)
            raise OSError(int(said), os.strerror(int(said)))
        return pid

    def close(self) -> list[Seen]:
        """Look on no longer; return the files of this user that are there now."""
        os.close(self._stop)
        if self._thread:
            self._thread.join()
        os.close(self._end)
        return [seen for seen in self._seen.values() if is_ours(seen.path)]

    def _look_on(self, listener: int) -> None:
        """Note each call and let it through, until there is nobody left, or `close`."""
        calls, waiting = seccomp.Listener(listener), poll()
        waiting.register(listener, POLLIN)
        waiting.register(self._end, POLLIN)
        try:
            while True:
                ready = dict(waiting.poll())
                if self._end in ready or ready.get(listener, 0) & POLLHUP:
                    break
                if calls.wait():
                    with suppress(Exception):  # whatever it was told, the call goes on
                        self._note(calls.raw())
                    calls.pass_on()
        finally:
            os.close(listener)

    def _note(self, raw: bytes) -> None:
        tid, path = creation_syscalls.created(raw, self._known)
        if path and not path.startswith(self._own) and len(self._seen) < _MOST:
            there = os.path.lexists(path)
            self._seen.setdefault(path, Seen(Path(path), program_name(tid), there))
