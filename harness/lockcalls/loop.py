# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor's loops: some wait for lock calls, one for requests, signals and the end.

A thread for each, since a wait in the kernel for nothing but a call ends sooner than a wait for
one thing among others: 153 under a supervisor takes 1.03 of its time, not 1.05.  Calls are decided
one after the other; but until one is received, a signal ends it with EINTR.
"""

import _thread  # the package threading takes 2 ms to load
import os
import resource
import select
import signal
from contextlib import suppress

from goldlock.lockcalls import LONGEST_STATUS
from goldlock.lockcalls.control import ControlServer
from goldlock.lockcalls.seccomp import Listener
from goldlock.lockcalls.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_RECEIVERS = 4
"""As many calls are received at once where each is looked at; to pass them on, one is quicker."""


class Loop:
    """Serves until no process is left under the filter.

    supervisor, listener  who decides, and the descriptor by which the calls come
    control               what a case asks for
    program               the process whose end the launcher wants to hear of
    status_pipe           the pipe to the launcher: "ended WAITSTATUS gone|staying INSTEAD LINES",
                          what there is to complain about, and the exit status for it
    """

    def __init__(
        self,
        supervisor: Supervisor,
        listener: int,
        control: ControlServer,
        program: int,
        status_pipe: int,
    ) -> None:
        """Take over the signals that the launcher will hand on; have room for many files."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._supervisor = supervisor
        self._listener = listener
        self._control = control
        self._program = program
        self._status_pipe = status_pipe
        self._launcher = os.getppid()
        self._ended = False
        self._deserted = False  # no process is left under the filter
        self._problem: Exception | None = None
        self._signals, self._waker = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        for number in blocked:  # those of the launcher, by inheritance
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        supervisor.on_wait = lambda: os.write(self._waker, b"\0")
        self._poll = select.poll()

    def descriptors(self) -> "Iterator[int]":
        """Yield the descriptors that the loop waits for, besides listener and status pipe."""
        yield self._signals
        yield self._waker
        yield from self._control.descriptors()

    def run(self) -> None:
        """Serve to the end."""
        self._poll.register(self._listener, 0)  # for this thread, only that it is deserted
        self._poll.register(self._signals, select.POLLIN)
        self._poll.register(self._status_pipe, 0)  # only says that the launcher is gone
        for fd in self._control.descriptors():
            self._poll.register(fd, select.POLLIN)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        receivers = _RECEIVERS if self._supervisor.decides else 1
        for _ in range(receivers):  # without signals: they are for this thread
            _thread.start_new_thread(self._serve_calls, (Listener(self._listener),))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        while not (self._ended and self._deserted):
            for fd, _ in self._poll.poll(self._supervisor.look_again()):
                self._happened(fd)
            self._supervisor.settle()
            self._control.tell(self._supervisor)
            if self._problem:
                raise self._problem

    def _serve_calls(self, listener: Listener) -> None:
        """Answer lock calls, until nobody is left who could make one."""
        any_left = select.poll()
        any_left.register(self._listener, select.POLLIN)
        try:
            while self._supervisor.serve(listener) or not any_left.poll()[0][1] & select.POLLHUP:
                pass
        except Exception as problem:  # the launcher must hear of it, whatever it is
            self._problem = problem
            os.write(self._waker, b"\0")

    def _happened(self, fd: int) -> None:
        if fd == self._listener:
            self._deserted = True
            self._poll.unregister(fd)
        elif fd == self._signals:
            self._signalled(os.read(fd, 512))
        elif fd == self._status_pipe:
            self._launcher_is_gone()
        else:
            self._request(fd)

    def _request(self, fd: int) -> None:
        before = set(self._control.descriptors())
        self._control.serve(fd, self._supervisor)
        after = set(self._control.descriptors())
        for gone in before - after:
            self._poll.unregister(gone)
        for new in after - before:
            self._poll.register(new, select.POLLIN)

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number not in (0, signal.SIGCHLD) and not self._ended:
                os.kill(self._program, number)
        status = None
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:  # also what it adopted
                if found[0] == self._program:
                    status = found[1]
        if status is not None:
            self._ended = True
            self._tell_launcher(status)

    def _tell_launcher(self, status: int) -> None:
        events = [event for fd, event in self._poll.poll(0) if fd == self._listener]
        deserted = self._deserted or any(event & select.POLLHUP for event in events)
        instead, said = self._supervisor.complaints()
        lines = "\n".join(said)
        text = f"ended {status} {'gone' if deserted else 'staying'} {instead} {lines}"
        with suppress(OSError):  # somebody killed the launcher meanwhile
            os.write(self._status_pipe, os.fsencode(text)[:LONGEST_STATUS])
        if os.getppid() == self._launcher:
            if not deserted:  # if this process ends, the kernel sends it
                os.kill(self._launcher, signal.SIGCHLD)
            os.kill(self._launcher, signal.SIGCONT)  # who waits for it would wait for ever

    def _launcher_is_gone(self) -> None:
        """Do to the program what somebody did to the process that stood for it."""
        self._poll.unregister(self._status_pipe)
        if not self._ended:
            os.kill(self._program, signal.SIGKILL)
