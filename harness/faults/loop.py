"""The supervisor's loop: wait for calls, requests, signals and the end of the program."""

import os
import select

from harness.faults.control import Requests
from harness.faults.light import signal, suppress
from harness.faults.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Loop:
    """Serves until no process is left under the filter.

    supervisor, listener  who decides, and the descriptor by which the calls come
    requests              what a case asks for
    program               the process whose end the front wants to hear of
    tell                  the pipe to the front: "ended WAITSTATUS gone|staying"
    """

    def __init__(
        self, supervisor: Supervisor, listener: int, requests: Requests, program: int, tell: int
    ) -> None:
        """Take over the signals that the front will hand on."""
        self._supervisor = supervisor
        self._listener = listener
        self._requests = requests
        self._program = program
        self._tell = tell
        self._front = os.getppid()
        self._ended = False
        self._deserted = False  # no process is left under the filter
        self._signals, self._waker = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        for number in blocked:  # those of the front, by inheritance
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        self._poll = select.poll()

    def descriptors(self) -> "Iterator[int]":
        """Yield the descriptors that the loop waits for, besides listener and tell."""
        yield self._signals
        yield self._waker
        yield from self._requests.descriptors()

    def run(self) -> None:
        """Serve to the end."""
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)
        self._poll.register(self._tell, 0)  # it only ever says that the front is gone
        for fd in self._requests.descriptors():
            self._poll.register(fd, select.POLLIN)
        wait, serve, call = self._poll.poll, self._supervisor.serve, (self._listener, select.POLLIN)
        while not (self._ended and self._deserted):
            for event in wait():
                if event == call:
                    serve()
                else:
                    self._happened(*event)

    def _happened(self, fd: int, events: int) -> None:
        if fd == self._listener:
            if events & select.POLLIN:
                self._supervisor.serve()
            elif events & select.POLLHUP:
                self._deserted = True
                self._poll.unregister(fd)
        elif fd == self._signals:
            self._signalled(os.read(fd, 512))
        elif fd == self._tell:
            self._front_is_gone()
        else:
            self._request(fd)

    def _request(self, fd: int) -> None:
        before = set(self._requests.descriptors())
        self._requests.serve(fd, self._supervisor)
        after = set(self._requests.descriptors())
        for gone in before - after:
            self._poll.unregister(gone)
        for new in after - before:
            self._poll.register(new, select.POLLIN)

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number != signal.SIGCHLD and not self._ended:
                os.kill(self._program, number)
        status = None
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:  # also what it adopted
                if found[0] == self._program:
                    status = found[1]
        if status is not None:
            self._ended = True
            self._tell_front(status)

    def _tell_front(self, status: int) -> None:
        events = [event for fd, event in self._poll.poll(0) if fd == self._listener]
        deserted = self._deserted or any(event & select.POLLHUP for event in events)
        text = f"ended {status} {'gone' if deserted else 'staying'}"
        with suppress(OSError):  # somebody killed the front meanwhile
            os.write(self._tell, text.encode())
        if not deserted and os.getppid() == self._front:
            os.kill(self._front, signal.SIGCHLD)  # if this process ends, the kernel sends it

    def _front_is_gone(self) -> None:
        """Do to the program what somebody did to the process that stood for it."""
        self._poll.unregister(self._tell)
        if not self._ended:
            os.kill(self._program, signal.SIGKILL)
