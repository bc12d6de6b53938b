# SPDX-License-Identifier: GPL-2.0-or-later
"""The way for a running case to set faults and to take them away again.

The supervisor listens on a socket in the abstract namespace (no file to clean up), named in
the environment variable GOLDLOCK_FAULTS.  It is served by the same loop that answers lock
calls, so a fault is at work for every call that comes after the answer, and for none before.
A message is a packet (SOCK_SEQPACKET), so nothing need say where it ends; the module
multiprocessing.connection would take longer to load (22 ms) than a program to start.

    add PLAN-LINE -> ok KEY | error WHY        clear KEY -> ok HITS [MISSED] | error WHY

    await KEY -> ok HITS | error WHY  as soon as a call has been paused or made to fail

    settle -> ok
    locks FOLDER AFTER -> ok LINES   those of FileLog.lines_of_locks() whose paths come after that
                                     one, in their order, as many as fit; none at the end

MISSED says that the fault should have made a call fail, and did not.
"""

import errno
import os
import socket
import struct
from contextlib import suppress

from goldlock.lockcalls import FAULTS_VARIABLE
from goldlock.lockcalls.words import quote

_LONGEST = 65536
_MOST_DIGITS = 20
_MOST_CLIENTS = 256
"""More are turned away: each is a descriptor that calls of programs need, too."""
_NO_FILES = (
    'calls by the names of files are not seen here: "# needs: lock-files" in the header of a case '
    "asks for them, --files by hand"
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.supervisor import Supervisor


def is_key(text: str) -> bool:
    """Return whether a text is a number as keys are: int() takes other digits, but not so many."""
    return text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS


class NoSupervisorError(RuntimeError):
    """There is no supervisor to talk to; str() says why in one line."""


class Control:
    """The case's end: a connection to the supervisor that this process runs under."""

    def __init__(self, name: str | None = None) -> None:
        """Connect to a socket by its name, by default that of the environment.

        Raises NoSupervisorError.
        """
        name = name or os.environ.get(FAULTS_VARIABLE)
        if not name:
            raise NoSupervisorError("not under a fault supervisor: start it with goldlock faults")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(f"\0{name}")
        except OSError as error:
            self._socket.close()
            raise NoSupervisorError(f"no fault supervisor answers: {error.strerror}") from error

    def add(self, fault: "Fault") -> int:
        """Set a fault; return its key.  It is at work when this returns."""
        return int(self._ask(f"add {fault}"))

    def clear(self, key: int) -> tuple[int, str]:
        """Take a fault away; return how many calls it made fail, and what there is to complain."""
        hits, _, missed = self._ask(f"clear {key}").partition(" ")
        return int(hits), missed

    def await_hit(self, key: int, limit: float | None = None) -> int:
        """Wait until a fault has been about a call; return how many there were.

        Raises TimeoutError after *limit* seconds, if there is one.
        """
        self._socket.settimeout(limit)
        try:
            return int(self._ask(f"await {key}"))
        finally:
            self._socket.settimeout(None)

    def lock_files(self, folder: str) -> list[tuple[str, str, int]]:
        """Return path, program and process id for each lock file below a folder, by who made it."""
        from goldlock.lockcalls.plan_line import words_of  # 15 ms that most do without

        found: list[tuple[str, str, int]] = []
        after = ""
        while lines := self._ask(f"locks {quote(folder)} {quote(after)}"):
            rows = map(words_of, lines.split("\n"))
            found += [(path, program, int(pid)) for path, program, pid in rows]
            after = found[-1][0]
        return found

    def settle(self) -> None:
        """Have the trace tell how calls that waited have ended, as far as they have."""
        self._ask("settle")

    def close(self) -> None:
        """End the connection; faults that were set stay."""
        self._socket.close()

    def _ask(self, request: str) -> str:
        try:
            self._socket.send(os.fsencode(request))
            verdict, _, rest = os.fsdecode(self._socket.recv(_LONGEST)).partition(" ")
        except ConnectionError:
            verdict, rest = "", ""
        if verdict != "ok":
            raise NoSupervisorError(rest or "the fault supervisor is gone")
        return rest


_PASSING = (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ControlServer:
    """The supervisor's end: what comes in by the socket."""

    def __init__(self) -> None:
        self.name = f"goldlock-faults-{os.urandom(16).hex()}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"\0{self.name}")
        self._listener.listen(64)
        self._clients: dict[int, socket.socket] = {}
        self._awaiting: dict[int, int] = {}

    def descriptors(self) -> "Iterator[int]":
        """Yield the descriptors to be waited for until they can be read."""
        yield self._listener.fileno()
        yield from self._clients

    def serve(self, fd: int, supervisor: "Supervisor") -> None:
        """Answer what waits on one of the descriptors."""
        if fd == self._listener.fileno():
            self._accept()
            return
        client = self._clients[fd]
        try:
            request = os.fsdecode(client.recv(_LONGEST))
            verb, _, rest = request.partition(" ")
            if verb == "await" and is_key(rest):
                self._awaiting[fd] = int(rest)
                self.tell(supervisor)
                return
            if request:
                # One that never reads what it asked for holds up nobody: it is dropped.
                client.send(os.fsencode(_reply(request, supervisor)), socket.MSG_DONTWAIT)
                return
        except OSError:
            pass  # the client is gone, as with an empty request
        self._awaiting.pop(fd, None)
        del self._clients[fd]
        client.close()

    def tell(self, supervisor: "Supervisor") -> None:
        """Answer those that await a call, if it has come."""
        for fd, key in list(self._awaiting.items()):
            try:
                hits = supervisor.hits(key)
                answer = f"ok {hits}" if hits else ""
            except KeyError:
                answer = f"error no such fault: {key}"
            if answer:
                del self._awaiting[fd]
                with suppress(OSError):  # it is gone, which its descriptor will tell
                    self._clients[fd].send(os.fsencode(answer), socket.MSG_DONTWAIT)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:
            if error.errno in _PASSING:  # it is gone, or there are too many of other things
                return
            raise  # nobody would ever be served
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        is_ours = struct.unpack("iII", credentials)[1] in (0, os.geteuid())
        if is_ours and len(self._clients) < _MOST_CLIENTS:
            self._clients[client.fileno()] = client
        else:
            client.close()


def _reply(request: str, supervisor: "Supervisor") -> str:
    from goldlock.lockcalls.plan_line import PlanError  # 15 ms that a run without faults saves

    verb, _, rest = request.partition(" ")
    try:
        return _answer(verb, rest, supervisor)
    except PlanError as error:
        return f"error {error}"
    except (KeyError, ValueError):
        return f"error no such fault: {rest}"


def _answer(verb: str, rest: str, supervisor: "Supervisor") -> str:
    from goldlock.lockcalls.plan import parse_plan  # as in _reply

    if verb == "add":
        faults = parse_plan(rest)
        if len(faults) != 1:
            return "error expected one line of a plan"
        if faults[0].calls.is_by_name and not supervisor.sees_files:
            return f"error {_NO_FILES}"
        return f"ok {supervisor.add(faults[0])}"
    return _told(verb, rest, supervisor)


def _told(verb: str, rest: str, supervisor: "Supervisor") -> str:
    if verb == "clear":
        rule = supervisor.clear(int(rest))
        return f"ok {rule.hits} {rule.missed()}"
    if verb == "locks":
        from goldlock.lockcalls.plan_line import words_of  # as in _reply

        folder, after = words_of(rest)
        return f"ok {_fitting(supervisor.lock_files(folder, after))}"
    if verb == "settle":
        supervisor.settle()
        return "ok"
    return f"error no such request: {verb}"


def _fitting(lines: list[str]) -> str:
    """Return the first of some lines, as many as one answer has room for."""
    room = _LONGEST - len("ok ")
    fitting = []
    for line in lines:
        room -= len(os.fsencode(line)) + 1
        if room < 0:
            break
        fitting.append(line)
    return "\n".join(fitting)
