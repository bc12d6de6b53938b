# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that starts one program again and again, under a filter that asks of its lock calls.

It is below the filter and so is all that it starts: one listener serves all orders. It is the
subreaper of what it starts, too: what a program leaves behind is found, and ended, below it.
"""

import os
import select
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from goldlock import linux
from goldlock.lockcalls import seccomp
from goldlock.lockcalls.file_numbers import O_CREAT, O_TRUNC
from goldlock.lockcalls.seccomp import Listener
from goldlock.orders import data, ends, looks, truncations
from goldlock.orders.effects import ALL, LOCKS

_ANSWER = struct.Struct("=iii")  # an errno or whether more is left, a process id, a wait status
_REAP, _WAIT = b"reap", b"wait"  # folders begin with a slash
_CLOSE_RANGE = 436  # on every machine
_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)
"""What Python ignores, and programs must not."""
_FORKED_NO_EXEC = 0x40  # PF_FORKNOEXEC of the kernel


class UnavailableError(Exception):
    """Kernel or sandbox does not let us; str() says why."""


class Starter:
    """One program, to be started in a folder as often as is wanted."""

    def __init__(
        self,
        argv: Sequence[str],
        points: str = LOCKS,
        also: Mapping[int, tuple[int, ...]] = ends.NUMBERS,
    ) -> None:
        """Start the process that starts it; raises UnavailableError.

        *points* are seen, and *also* the numbers of others, for each ABI.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._program = argv[0]
        self._pid = os.fork()
        if self._pid == 0:
            try:
                ours.close()
                _serve(theirs, list(argv), points, also)
            finally:
                os._exit(0)
        theirs.close()
        self._socket = ours
        message, listeners, _, _ = socket.recv_fds(ours, 4096, 1)
        if not listeners:
            os.waitpid(self._pid, 0)
            raise UnavailableError(os.fsdecode(message) or "a process cannot be started")
        os.set_inheritable(listeners[0], False)  # a program with it keeps others waiting
        self.listener = Listener(listeners[0])

    @property
    def pid(self) -> int:
        """The process above all that runs of the program."""
        return self._pid

    def start(self, folder: str, output: int, *source: int) -> int:
        """Start the program with its output to a descriptor; return its process id.

        It reads from *source*, nothing if there is none. Raises OSError when it cannot be started.
        """
        socket.send_fds(self._socket, [os.fsencode(folder)], [output, *source])
        self._see_it_started()
        error, pid, _ = self._answer()
        if error:
            raise OSError(error, os.strerror(error), self._program)
        return pid

    def _see_it_started(self) -> None:
        """Wait until the program has begun, or cannot.

        The child that was to become the program ends where it cannot, and the filter asks of that,
        while the process above it waits for it. The program's own calls are left where they are.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self.listener.fd, select.POLLIN)
        while self._socket.fileno() not in dict(poll.poll()) and self._is_no_program_yet():
            if self.listener.wait():
                self.listener.let_through(self.listener.call())

    def _is_no_program_yet(self) -> bool:
        """Return whether the first child, which is to become the program, has not yet done so."""
        with suppress(StopIteration, OSError):
            child, _ = next(linux.processes_below(self._pid))
            status = Path(f"/proc/{child}/stat").read_bytes()
            flags = int(status.rpartition(b")")[2].split()[6])
            return bool(flags & _FORKED_NO_EXEC)
        return False

    def clear(self) -> int:
        """End all that runs still of the program; return the wait status of the program itself."""
        while True:
            self._socket.send(_REAP)
            left, _, status = self._answer()
            if not left:
                return status
            for pid, _ in linux.processes_below(self._pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._socket.send(_WAIT)
            self._answer()

    def _answer(self) -> tuple[int, int, int]:
        first, second, third = _ANSWER.unpack(self._socket.recv(_ANSWER.size))
        return first, second, third

    def close(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._socket.close()
        os.close(self.listener.fd)


def _serve(
    requests: socket.socket, argv: list[str], points: str, also: Mapping[int, tuple[int, ...]]
) -> None:
    """Do as requested, without a call that the filter asks of: nobody would answer."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    try:
        listener = _listener(points, also)
    except OSError as error:
        requests.send(os.fsencode(str(error.strerror)))
        return
    socket.send_fds(requests, [b"ok"], [listener])
    _close(listener)
    program = status = 0
    while True:
        message, streams, _, _ = socket.recv_fds(requests, 4096, 2)
        if message == _REAP:
            left, status = _reap(program, status)
            requests.send(_ANSWER.pack(left, program, status))
        elif message == _WAIT:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            requests.send(_ANSWER.pack(0, 0, 0))
        else:
            problem, program = _start(argv, message, streams)
            status = 0
            requests.send(_ANSWER.pack(problem, program, 0))


def _listener(points: str, more: Mapping[int, tuple[int, ...]]) -> int:
    """Put this process under the filter."""
    tables = [more]
    tables += [truncations.NUMBERS, looks.NUMBERS] if points != LOCKS else []
    tables += [data.NUMBERS] if points == ALL else []
    also = {arch: sum((table[arch] for table in tables), ()) for arch in more}
    flags = 0 if points == ALL else O_CREAT | O_TRUNC
    return seccomp.install(files=points != LOCKS, also=also, open_flags=flags)


def _close(fd: int) -> None:
    """Close a descriptor by close_range(2), which the filter does not ask of."""
    linux.syscall(_CLOSE_RANGE, fd, fd, 0)


def _start(argv: list[str], folder: bytes, streams: list[int]) -> tuple[int, int]:
    """Start the program, with its output and, if there is one, its input; close these here.

    Return an errno or 0, and the process id.
    """
    output, *source = streams
    for fd in streams:
        os.set_inheritable(fd, False)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, fd, 0) for fd in source]
    try:
        os.chdir(folder)
        program = os.posix_spawnp(
            argv[0], argv, os.environ,
            file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULT,
        )  # fmt: skip
    except OSError as error:
        return error.errno or 0, 0
    finally:
        for fd in streams:
            _close(fd)
    return 0, program


def _reap(program: int, status: int) -> tuple[int, int]:
    """Reap what has ended; return whether there is more, and the wait status of the program."""
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0, status
        if not pid:
            return 1, status
        if pid == program:
            status = ended
