# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that run one case at a time.

A worker is the subreaper of its one case: whatever loses its parent becomes its child, so what
a case leaves behind is known without a look at any other process. A worker whose runner has
gone, even by SIGKILL, ends its case and cleans up. And two workers use two cores.
"""

import gc
import os
import pickle
import signal
import socket
import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from select import POLLIN, poll
from threading import Lock
from typing import Any, NoReturn

from goldlock import linux
from goldlock.inspect import processes

Serve = Callable[[Any, int], Any]
"""Answers a request, in a worker; the descriptor is readable when it must stop at once, which
it tells by KeyboardInterrupt."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class WorkerDied(Exception):
    """A worker ended before it answered: somebody killed it, or the kernel, for want of memory.

    Or it did not answer, and was killed here: then this says what was wrong with it.
    """


class Worker:
    """The runner's side of a worker; for one thread.

    It answers one request at a time. One that is silent for *grace* seconds after its time is
    stuck, and is killed. It stops at once when its connection is shut down.
    """

    def __init__(self, connection: socket.socket, grace: float) -> None:
        limit = struct.pack("@ll", int(grace), int(grace % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, limit)
        self._socket = connection
        self._messages: Connection[Any, Any] = Connection(os.dup(connection.fileno()))
        self._answer = poll()
        self._answer.register(connection, POLLIN)
        self._pid = 0

    @property
    def has_begun(self) -> bool:
        """Whether there ever was a process that could have taken a request."""
        return bool(self._pid)

    def send(self, request: Any) -> None:
        """Send a request. Raises WorkerDied, also after `stop`."""
        with self._alive():
            first = self._pid or _receive(self._messages)
            if isinstance(first, OSError):
                raise WorkerDied(f"no process to run it in: {first.strerror}")
            self._pid = first
            _send(self._messages, request)

    def answer(self, seconds: float | None = None) -> Any:
        """Return the answer to the last request, or raise what *serve* raised.

        It takes *seconds* at most; without them, as long as it takes. Raises WorkerDied as `send`.
        """
        with self._alive():
            # After Ctrl-Z, this is over, while the worker went on: it has all of the grace yet.
            self._answer.poll(None if seconds is None else seconds * 1000)
            answer = _receive(self._messages)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        """Let the worker end, and forget it."""
        self.stop()
        self._messages.close()
        self._socket.close()

    def stop(self) -> None:
        """Let the worker end what it does, and itself; from any thread, also a signal handler.

        Nobody waits for its answer any more; `ForkServer.close` waits for its end.
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            raise WorkerDied(self._kill()) from None
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            raise WorkerDied from None

    def _kill(self) -> str:
        """Kill the worker, and what it was to look after; return what it was doing."""
        if not self._pid:
            return "no process came to run it"
        from goldlock.inspect.process_report import state  # psutil: only where something is wrong

        said = f"the process that ran it (pid {self._pid}) was {state(self._pid)}"
        processes.kill_tree(self._pid)
        return f"{said} and did not answer; it was killed"


class ForkServer:
    """A process that forks workers on demand, as small and single-threaded as it was made.

    Each worker serves its requests with *serve*, and what that could see when this was made;
    *grace* is as for `Worker`.
    """

    def __init__(self, serve: Serve, grace: float) -> None:
        self._grace = grace
        self._lock = Lock()
        self._commands, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            _run(partial(self._fork_loop, theirs, serve))
        theirs.close()

    def worker(self) -> Worker:
        """Return a new worker."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                socket.send_fds(self._commands, [b"+"], [theirs.fileno()])
            return Worker(ours, self._grace)
        except OSError:  # or nobody would tell that worker to end
            ours.close()
            raise

    def close(self, seconds: float) -> bool:
        """Wait until all workers have ended; each must have been stopped.

        Those that have not in *seconds* are killed, with all below them; then it is False. That
        is at once where somebody does not want to wait: at a second Ctrl-C.
        """
        self._commands.close()
        try:
            ended = processes.wait_for_exit(self._pid, seconds)
        except KeyboardInterrupt:
            ended = False
        if not ended:
            processes.kill_tree(self._pid)
        os.waitpid(self._pid, os.WNOHANG)  # what cannot be killed is nobody's to wait for
        return ended

    def _fork_loop(self, commands: socket.socket, serve: Serve) -> None:
        self._commands.close()
        os.setsid()  # without a terminal, for cases that share it
        for number in _SIGNALS:  # whoever sends them to all: the runner says what to do
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for link in Path("/proc/self/fd").iterdir():  # what the caller left open is not for cases
            with suppress(OSError):
                os.set_inheritable(int(link.name), int(link.name) <= 2)
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        gc.freeze()
        gc.enable()
        workers: set[int] = set()
        while descriptors := socket.recv_fds(commands, 1, 1)[1]:
            messages: Connection[Any, Any] = Connection(descriptors[0])
            with messages:
                os.set_inheritable(messages.fileno(), False)  # not for cases
                _end_orphans(workers)
                try:
                    worker = os.fork()
                except OSError as error:  # whoever waits for its first words is told
                    _send(messages, error)
                    continue
                if worker == 0:
                    commands.close()
                    _run(partial(_serve, messages, serve))
                workers.add(worker)
        for worker in workers:
            processes.wait_for_exit(worker)
        _end_orphans(workers)


def _end_orphans(workers: set[int]) -> None:
    """End what workers that were killed have left to this process, and forget those."""
    before = len(workers)
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
            workers.discard(ended.si_pid)
        if len(workers) < before:
            for orphan in {*processes.children().get(os.getpid(), ())} - workers:
                processes.kill_tree(orphan)
                os.waitpid(orphan, os.WNOHANG)


def _run(main: Callable[[], None]) -> NoReturn:
    """Be a process that does no more than *main*."""
    status = 1
    try:
        main()
        status = 0
    except BrokenPipeError:
        pass  # nobody wants the answer any more
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _serve(messages: "Connection[Any, Any]", serve: Serve) -> None:
    """Answer requests, one at a time: meanwhile, there is only the end to be read."""
    _send(messages, os.getpid())
    while True:
        try:
            request = _receive(messages)
        except (EOFError, ConnectionResetError):
            return
        try:
            answer = serve(request, messages.fileno())
        except KeyboardInterrupt:
            return
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = error
        _send(messages, answer)


def _send(messages: "Connection[Any, Any]", message: Any) -> None:
    messages.send_bytes(pickle.dumps(message))  # its own pickler takes four times as long


def _receive(messages: "Connection[Any, Any]") -> Any:
    return pickle.loads(messages.recv_bytes())
