# SPDX-License-Identifier: GPL-2.0-or-later
"""What a harness and a case use: say a fault, run a program under a supervisor, ask if one can.

A whole case is started under a supervisor, which then costs its programs next to nothing::

    subprocess.run(wrap([sys.executable, "cases/400.py"], trace="locks.txt"))

and the case sets faults while it runs::

    with faults("lock", byte=101, image="t.qcow2", errno=ENOLCK, times=1) as active:
        qemu_io("-c", "open t.qcow2")
    log(active.hits)
"""

import functools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from errno import EAGAIN
from pathlib import Path

from goldlock.errors import CaseError
from goldlock.lockcalls import FAULTS_VARIABLE, TRACE_VARIABLE
from goldlock.lockcalls.complaints import COMMAND
from goldlock.lockcalls.control import Control, NoSupervisorError
from goldlock.lockcalls.launcher import UNAVAILABLE
from goldlock.lockcalls.plan import ALWAYS, Fault, absolute, parse_plan
from goldlock.lockcalls.plan_line import PlanError

__all__ = [
    "ALWAYS",
    "ActiveFaults",
    "Fault",
    "MissedError",
    "NoSupervisorError",
    "PlanError",
    "faults",
    "parse_plan",
    "pause",
    "trace_path",
    "unavailable",
    "wrap",
]

_COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("__main__.py")))


def wrap(
    argv: Sequence[str],
    faults: Iterable[Fault] = (),
    trace: str | os.PathLike[str] | None = None,
    events: str | os.PathLike[str] | None = None,
    *,
    files: bool = False,
) -> list[str]:
    """Return the command line that runs a command line under a supervisor.

    *events* is a trace of which each line is a JSON object (`goldlock.lockcalls.events`). With
    *files*, or a fault in such a call, also calls that make, rename and remove files are seen.
    Relative paths, of files and of the trace, are relative to this process's directory.
    """
    plans = [word for fault in faults for word in ("--plan", str(absolute(fault)))]
    traces = [] if trace is None else ["--trace", str(Path(trace).absolute())]
    traces += [] if events is None else ["--events", str(Path(events).absolute())]
    return [*_COMMAND, *plans, *traces, *(["--files"] if files else []), "--", *argv]


def unavailable() -> str | None:
    """Return in one line why faults cannot be injected here, or None: they can.

    Raises OSError where they could be, but for a lack of processes, memory or the like.
    """
    if os.environ.get(FAULTS_VARIABLE):  # under a supervisor: then it is that one that counts
        try:
            Control().close()
        except NoSupervisorError as error:
            return str(error)
        return None
    return _unavailable()


@functools.cache
def _unavailable() -> str | None:
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no seccomp"
    check = subprocess.run([*_COMMAND, "--check"], capture_output=True, text=True, check=False)
    if check.returncode == 0:
        return None
    said = check.stderr.strip().rpartition("\n")[2]  # what broke, after what broke by that
    said = said.removeprefix(f"{COMMAND}: ") or "the supervisor fails"
    if check.returncode == UNAVAILABLE:
        return said
    raise OSError(EAGAIN, f"lock calls cannot be supervised: {said}")


class ActiveFaults:
    """Faults that are set; `hits` is, once they are taken away, how many calls they made fail."""

    def __init__(self) -> None:
        self.hits = 0


class MissedError(CaseError):
    """A plan that should have made a call fail, and did not."""


@contextmanager
def faults(  # noqa: PLR0913 - the fields of a fault
    *plan: str | Fault,
    errno: int | None = None,
    byte: int | tuple[int, int | None] | None = None,
    image: str | os.PathLike[str] | None = None,
    program: str | None = None,
    nth: int = 1,
    times: int | None = None,
    exactly: bool = False,
    may_miss: bool = False,
    to: str | os.PathLike[str] | None = None,
) -> Iterator[ActiveFaults]:
    """Set faults for the programs of this case, for the length of a with block.

    Say them as plan lines, as Fault objects, or one by its fields: faults("lock", byte=100,
    errno=ENOLCK).  They count calls anew each time.  Relative paths of images are relative to
    this process's directory.  Raises NoSupervisorError if the case runs without one, PlanError and
    ValueError for what is no fault, and at the end of the block MissedError for a fault that made
    no call fail, unless it *may_miss*.
    """
    found: list[Fault] = []
    for item in plan:
        if isinstance(item, Fault):
            found.append(item)
        elif errno is None:
            found.extend(parse_plan(item))
        else:
            path, new = (None if name is None else os.fspath(name) for name in (image, to))
            found.append(
                Fault(item, errno, byte, path, program, nth, times, exactly, may_miss, new)
            )
    control = Control()
    active = ActiveFaults()
    keys: list[int] = []
    missed: list[str] = []
    try:
        keys.extend(control.add(absolute(fault)) for fault in found)
        yield active
    finally:
        for key in keys:
            hits, complaint = control.clear(key)
            active.hits += hits
            missed += [complaint] if complaint and not may_miss else []
        control.close()
    if missed:
        raise MissedError("; ".join(missed))


_PAUSED = " is paused"


class Pause:
    """Calls that stand still."""

    def __init__(self, plan: str, limit: float) -> None:
        """Set it; see `pause`."""
        faults = parse_plan(plan if _PAUSED in plan else plan + _PAUSED)
        if len(faults) != 1:
            raise ValueError("expected the calls of one line of a plan")
        self._plan = plan
        self._limit = limit
        self._control = Control()
        self._key = self._control.add(absolute(faults[0]))
        self._is_set = True
        self._missed = ""

    def wait(self) -> None:
        """Wait until a program stands before such a call; raise MissedError after the limit."""
        try:
            self._control.await_hit(self._key, self._limit)
        except TimeoutError:
            raise MissedError(f"{self._plan}: no such call came in {self._limit:g} s") from None

    def go_on(self) -> None:
        """Let go what stands still; what comes later is not paused any more."""
        if self._is_set:
            self._is_set = False
            _, self._missed = self._control.clear(self._key)
            self._control.close()

    @property
    def missed(self) -> str:
        """What there is to complain about, if no call has stood still, once it is let go."""
        return self._missed


@contextmanager
def pause(plan: str, limit: float = 60) -> Iterator[Pause]:
    """Have programs stand still before calls of a plan's words, at most for a with block.

        with pause("lock RECOVER of t.db-shm by sqlite3") as held:
            shell = start(...)
            held.wait()                # it stands there
            held.go_on()

    A plan that says ``is paused`` itself can say more, as ``... is paused from call 2``.
    *limit* is how many seconds `Pause.wait` waits. Raises as `faults` does; MissedError at the
    end of the block if nothing stood still.
    """
    held = Pause(plan, limit)
    try:
        yield held
    finally:
        held.go_on()
    if held.missed:
        raise MissedError(held.missed)


def trace_path() -> Path | None:
    """Return the file that the lock calls of this case are traced to, or None: nowhere.

    A call's line is in the file before the call returns to its program, and how one that waited
    has ended when this returns.
    """
    path = os.environ.get(TRACE_VARIABLE)
    if path:
        control = Control()
        control.settle()
        control.close()
    return Path(path) if path else None
