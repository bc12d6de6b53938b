# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program, and all that it starts, under a supervisor.

Three processes: the *launcher* is the one that the caller started.  It starts the
*supervisor*, which starts the *program*.

- The supervisor must be an ancestor of all that it serves, or a kernel with Yama does not let
  it read their calls.  So it also adopts what daemonises (a subreaper), serves it for as long
  as it lives, and ends with the last of it.
- The caller wants the program's exit status when the program ends, not later; and may kill the
  whole process group, daemons excepted.  So the launcher stands for the program: it is in
  the program's group, hands signals on, and ends as the program ended; the supervisor is in a
  session of its own.  If the launcher is killed, the supervisor kills the program.
- Neither keeps a descriptor of the program open, so that its readers and writers see an end.
"""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH208

import errno
import os
import signal
import socket
from contextlib import suppress

from goldlock import linux
from goldlock.lockcalls import (
    FAULTS_VARIABLE,
    LONGEST_STATUS,
    SUPERVISOR_NAME,
    TRACE_VARIABLE,
    complaints,
    seccomp,
)
from goldlock.lockcalls.complaints import complain
from goldlock.lockcalls.control import Control, ControlServer, NoSupervisorError
from goldlock.lockcalls.facilities import RefusedError, accept, offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypeVar

    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.trace import Trace

    T = TypeVar("T")

UNAVAILABLE = 77
"""Exit status when kernel or sandbox forbids it (as automake and meson say "skipped")."""
BROKEN = 125
NOT_EXECUTABLE, NOT_FOUND = 126, 127

_FORWARDED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2
)  # fmt: skip


def occupy_standard_descriptors() -> None:
    """Let no descriptor of ours become a standard one that the caller has closed.

    What takes their place is closed on exec: the program has them as the caller had.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def is_refusal(problem: BaseException) -> bool:
    """Tell whether a sandbox forbids something, or the kernel does not have it."""
    return getattr(problem, "errno", 0) in (errno.EPERM, errno.EACCES, errno.ENOSYS)


class SavedSignals:
    """What the caller set up for a program, to be set up again where the program starts."""

    def __init__(self) -> None:
        """Note the signal set-up, and hold all signals back that the launcher must hand on."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGCHLD))
        self._on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def execute(self, argv: list[str], variables: dict[str, str]) -> "NoReturn":
        """Become the program, or end as a shell does when it cannot run one."""
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, self._on_child)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            os.execvpe(argv[0], argv, {**os.environ, **variables})
        except ValueError:  # os has no word for it but this
            complain("cannot run a program without a name")
            os._exit(NOT_FOUND)
        except OSError as problem:
            error = linux.search_error(problem, argv[0], os.environ.get("PATH", os.defpath))
            complain(f"cannot run {argv[0]}: {error.strerror}")
            os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)


def run(
    argv: list[str], faults: "tuple[Fault, ...]", trace: "Trace | None", *, files: bool = False
) -> int:
    """Run a program under a supervisor; return its exit status, or die by the signal it died of.

    An empty argv only tries whether it can be done. With *files*, calls that make, rename and
    remove files are lock calls, too.
    """
    saved = SavedSignals()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # should the supervisor be killed
    status, status_pipe = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        os.close(status)
        _supervise(saved, argv, (faults, trace, files), status_pipe)
    os.close(status_pipe)
    keep_only({2, status})
    os.set_blocking(status, False)

    def read_status() -> list[str] | None:
        try:
            return os.fsdecode(os.read(status, LONGEST_STATUS)).split(" ", 4)
        except BlockingIOError:
            _keep_going(supervisor)
            return None

    what, *rest = _wait(supervisor, read_status)
    if what == "ended":
        if rest[1] == "gone":
            os.waitpid(supervisor, 0)
        return end_as(int(rest[0]), int(rest[2]), list(filter(None, rest[3].split("\n"))))
    os.waitpid(supervisor, 0)
    _kill_all_below()
    complain(" ".join(rest) or "the supervisor was killed, and so are its programs")
    return UNAVAILABLE if what == "unavailable" else BROKEN


def _keep_going(supervisor: int) -> None:
    """Wake the supervisor if somebody stopped it: its programs would wait for it for ever."""
    with suppress(ChildProcessError):  # it has ended just now
        if os.waitid(os.P_PID, supervisor, os.WSTOPPED | os.WNOHANG):
            complain("the supervisor was stopped; it goes on")
            os.kill(supervisor, signal.SIGCONT)


def _kill_all_below() -> None:
    """End what a supervisor has left that was killed: no lock call of it would succeed."""
    with suppress(ChildProcessError):
        while pids := [pid for pid, _ in linux.processes_below(os.getpid())]:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def run_here(argv: list[str]) -> int:
    """Run a program without a supervisor of its own; return its wait status."""
    saved = SavedSignals()
    program = os.fork()
    if program == 0:
        saved.execute(argv, {})

    def ended() -> int | None:
        pid, status = os.waitpid(program, os.WNOHANG)
        return status if pid else None

    return _wait(program, ended)


def _wait(child: int, happened: "Callable[[], T | None]") -> "T":
    """Return what happened, asked at each SIGCHLD; meanwhile hand signals on to the child.

    A signal of the kernel itself (Control-C) goes to the whole group: the program has it.
    """
    while True:
        info = signal.sigwaitinfo((*_FORWARDED, signal.SIGCHLD))
        if info.si_signo != signal.SIGCHLD:
            if info.si_code <= 0:
                os.kill(child, info.si_signo)
        elif (answer := happened()) is not None:
            return answer


def end_as(status: int, instead: int, said: list[str]) -> int:
    """Return the exit status in a wait status, or die by the signal that it tells of.

    If there is something *said* against it, that is to be told, with the exit status *instead*.
    """
    if said:
        complaints.tell(said)
        return instead
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    fatal = os.WTERMSIG(status)
    import resource  # for what a signal ended only

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program dumped its own
    if fatal != signal.SIGKILL:
        signal.signal(fatal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [fatal])
    os.kill(os.getpid(), fatal)
    return 128 + fatal


def keep_only(descriptors: set[int]) -> None:
    """Close all descriptors but these; the standard ones lead to /dev/null instead."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd in descriptors:
            continue
        if fd <= 2:
            os.dup2(nothing, fd)
        else:
            with suppress(OSError):  # the directory's own is closed already
                os.close(fd)


def _supervise(
    saved: SavedSignals,
    argv: list[str],
    what: "tuple[tuple[Fault, ...], Trace | None, bool]",
    status_pipe: int,
) -> "NoReturn":
    """Be the supervisor: start the program, serve it, and tell the launcher how it ended."""
    faults, trace, files = what
    try:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        linux.prctl(linux.PR_SET_NAME, SUPERVISOR_NAME.encode())
        control = ControlServer()
        ours, theirs = socket.socketpair()
        variables = {FAULTS_VARIABLE: control.name, TRACE_VARIABLE: trace.path if trace else ""}
        program = os.fork()
        if program == 0:
            ours.close()
            _start(saved, argv, variables, theirs, files=files)
        open_there = theirs.fileno()
        theirs.close()
        os.setsid()  # after the fork: the program stays in the session of the launcher
        os.chdir("/")
        # It tries leases, which somebody may break, and writes to files and pipes.
        for number in (signal.SIGIO, signal.SIGXFSZ, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        listener = accept(program, ours, open_there)
        from goldlock.lockcalls.loop import Loop  # now: the program starts meanwhile
        from goldlock.lockcalls.supervisor import Supervisor

        supervisor = Supervisor(seccomp.Listener(listener), trace, files=files)
        for fault in faults:
            supervisor.add(fault)
        loop = Loop(supervisor, listener, control, program, status_pipe)
        keep_only({status_pipe, listener, *loop.descriptors(), *([trace.fd] if trace else [])})
        loop.run()
    except RefusedError as refusal:
        os.write(status_pipe, os.fsencode(f"unavailable {refusal}"))
    except Exception as problem:  # the launcher must hear of it, whatever it is
        with suppress(OSError):
            said = getattr(problem, "strerror", None) or f"{type(problem).__name__}: {problem}"
            kind = "unavailable" if is_refusal(problem) else "broken"
            os.write(status_pipe, os.fsencode(f"{kind} the supervisor: {said}"))
    finally:
        os._exit(0)


def _start(
    saved: SavedSignals,
    argv: list[str],
    variables: dict[str, str],
    theirs: socket.socket,
    *,
    files: bool,
) -> "NoReturn":
    """Be the program: get under the filter, hand its listener over, and execute.

    Should the supervisor die, the program dies with it, or its lock calls would fail with
    ENOSYS.
    """
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not offer(theirs, files=files):
        os._exit(0)
    if not argv:
        os._exit(_ask(variables[FAULTS_VARIABLE]))
    theirs.close()
    saved.execute(argv, variables)


def _ask(name: str) -> int:
    """Ask the supervisor something, as a case does; return the exit status."""
    try:
        control = Control(name)
        control.settle()
        control.close()
    except (NoSupervisorError, OSError) as error:
        complain(getattr(error, "strerror", None) or str(error))
        return UNAVAILABLE
    return 0
