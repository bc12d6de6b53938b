# SPDX-License-Identifier: GPL-2.0-or-later
"""One task of a case: its process, its directories, and the file that keeps what it prints."""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH102, PTH123

import os
import signal
import sys
from collections.abc import Callable
from select import POLLIN, poll
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Protocol

from goldlock import linux
from goldlock.case import exit_status, stack_dump
from goldlock.inspect import processes
from goldlock.text import heading

if TYPE_CHECKING:
    from goldlock.case.raw_log import RawLog
    from goldlock.environment import Environment
    from goldlock.filters import Filter

_CHUNK = 65536
_GRACE = 2.0
"""Seconds that a process has to end, twice; the case has more when it is ended itself."""


class ParallelCase(Protocol):
    """What tasks need of the case that they are of."""

    script: str
    test_dir: str
    environment: "Environment"
    raw_log: "RawLog"

    @property
    def paths(self) -> "Filter":
        """Name the directories of the run."""

    def log(self, text: str = "", *with_filters: "Filter") -> None:
        """Show a text."""

    def preload(self) -> None:
        """Import what most tasks need, once for all of them."""

    def enter_branch(self, folder: str) -> None:
        """Go on in the directories of a task, which are in *folder*."""


class Task:
    """One task: its folder, its process, its output so far, and how it ended.

    The folder has what the runner's has for a case: ``test``, ``home``, ``output``, ``log``...
    *main* is called in the process; the name and the *title*, a call as Python writes it, are
    for people.
    """

    def __init__(self, name: str, title: str, folder: str, main: Callable[[], object]) -> None:
        self.name = name
        self.title = title
        self.folder = folder
        self.main = main
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

    def start(self, case: ParallelCase) -> None:
        """Fork a process of *case* for it, and run it there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        for name in ("test", "home"):
            os.mkdir(f"{self.folder}/{name}")
        self._output = os.open(f"{self.folder}/output", flags, 0o666)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._run_child(case, parent)
        self._pidfd = os.pidfd_open(self.pid)

    def end(self) -> None:
        """Kill its process, and all below that; return when they are gone."""
        processes.kill_tree(self.pid)
        self.reap()

    def terminate(self) -> None:
        """End its process alone, which may dump first what it waits for.

        Who ends a case sends SIGTERM to its group, and so to this process, too. A second one in
        the midst of the dump would end it there, so it comes only where the first one did not.
        """
        if not processes.wait_for_exit(self.pid, _GRACE):
            os.kill(self.pid, signal.SIGTERM)
            if not processes.wait_for_exit(self.pid, _GRACE):
                os.kill(self.pid, signal.SIGKILL)
        self.reap()

    def reap(self) -> None:
        """Learn how its process has ended."""
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self._pidfd)

    def show(self) -> None:
        """Write to standard output what it has printed since this was last called."""
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
        output = os.pread(self._output, os.fstat(self._output).st_size, 0).decode(
            "utf-8", "replace"
        )
        headings = [line for line in output.split("\n") if heading(line)]
        return f"running, in {headings[-1]}" if headings else "running, before its first heading"

    def _run_child(self, case: ParallelCase, parent: int) -> NoReturn:
        """Run it in its process, and end with its exit status."""
        status, of_case = 1, 2
        try:
            of_case = os.dup(2)
            for fd in (1, 2):
                os.dup2(self._output, fd)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            with open("/proc/self/comm", "w", encoding="ascii") as name:
                name.write(self.name)  # for who looks at the processes
            _die_with(parent)
            case.enter_branch(self.folder)
            stack_dump.install(case.script, case.environment.goldlock_stack_dump)
            keep = case.raw_log.failure_report
            status = exit_status.run_and_report(self.main, case.script, case.log, keep)
        except SystemExit as end:
            status = _status(end)
        except BaseException as error:
            trace = _from_script(case.script, error.__traceback__)
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        finally:
            try:
                _join_threads()
                sys.stdout.flush()
                sys.stderr.flush()
            except OSError as error:  # such as a full disk: this, at least, is not for a file
                status = status or 1
                said = f"{self.title}: its output cannot be kept: {error.strerror}\n"
                os.write(of_case, said.encode("utf-8", "surrogateescape"))
            finally:
                os._exit(status)


def wait_for_any(tasks: list[Task]) -> list[Task]:
    """Wait until the process of one or more of the tasks has ended; return those."""
    waiting = poll()
    for task in tasks:
        waiting.register(task, POLLIN)
    ready = {fd for fd, _ in waiting.poll()}
    return [task for task in tasks if task.fileno() in ready]


def _join_threads() -> None:
    """Wait for the threads that a task has left, as Python does at its end."""
    if threading := sys.modules.get("threading"):
        this = threading.current_thread()
        while others := [t for t in threading.enumerate() if t is not this and not t.daemon]:
            others[0].join()


def _die_with(parent: int) -> None:
    """Be killed when the case is: nobody would wait for this process any more."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _from_script(script: str, trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first line of the script on; all of it when that has no part."""
    own = trace
    while own and own.tb_frame.f_code.co_filename != script:
        own = own.tb_next
    return own or trace


def _status(end: SystemExit) -> int:
    """Return the exit status of a task that called sys.exit; it is never that of success.

    One after the other, the case would have ended there.
    """
    if isinstance(end.code, int) and end.code & 0xFF:
        return end.code & 0xFF
    text = end.code or "a task of a group cannot end the case: it has to return"
    print(text, file=sys.stderr)  # noqa: T201 - where sys.exit prints it
    return 1
