# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a case that run side by side, each in a process and in directories of its own.

A part is a fork of the case, so nothing that it changes is seen elsewhere. What it writes is
kept in a file, and comes out in the order in which the parts are written in the script,
as does what it logs: nobody can tell that they did not run one after the other.
"""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH102, PTH110, PTH119, PTH123

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Self

from goldlock import filters
from goldlock.case import exit_status, stack_dump
from goldlock.case.parallel_child import Part, wait_for
from goldlock.case.raw_log import Record, read
from goldlock.errors import CaseError
from goldlock.inspect.stack_dump import STACK, told

if TYPE_CHECKING:
    from goldlock.case.case import Case

P = ParamSpec("P")

SPARE = 1
"""Parts that run at a time beyond one for each processor: while one waits, another can run.

Measured with 153 on two processors: two at a time are a tenth slower, four no quicker.
"""

_PR_SET_PDEATHSIG = 1


class Parts:
    """The parts of one `Case.side_by_side` block, which ends when all of them have ended.

    When one fails, the case ends as if all had run one after the other: with the output of
    those before it, its own, and its exit status. Those after it are ended.

    When the block itself raises, all parts are ended at once. What they had written is shown.
    """

    def __init__(self, case: "Case") -> None:
        self._case = case
        self._parts: list[Part] = []
        self._told = 0  # parts whose output is out, and whose logs are in the case's
        followed = case.environment.goldlock_one_at_a_time
        self._at_once = 1 if followed else len(os.sched_getaffinity(0)) + SPARE
        self._open = False

    def __enter__(self) -> Self:
        _load(self._case)
        self._open, self._case.parts = True, self
        self._before = stack_dump.handle(self._terminated)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._open = False
        try:
            if kind:
                self._cut()
            else:
                self.wait()
        finally:
            for part in self._parts:
                if part.running:  # standard output is closed, or the like
                    part.end()
            stack_dump.handle(self._before)
            self._case.parts = None

    def start(
        self,
        story: "Callable[Concatenate[Case, P], object]",
        *arguments: P.args,
        **named: P.kwargs,
    ) -> None:
        """Run ``story(case, ...)`` beside the other parts, as soon as there is room for it.

        In it, *case* has directories of its own: ``test_dir``, ``sock_dir``, ``image``, and the
        current directory. What it changes in Python's objects is gone at its end.

        Raises CaseError outside of the block: nobody would wait for the part.
        """
        if not self._open:
            raise CaseError("a part starts inside the with block of case.side_by_side()")
        _check_call(story, self._case, arguments, named)
        words = [repr(each) for each in arguments]
        words += [f"{name}={value!r}" for name, value in named.items()]
        title = self._case.paths(f"{getattr(story, '__name__', story)}({', '.join(words)})")
        number = 1
        while os.path.exists(folder := f"{self._case.test_dir}/part{number}"):
            number += 1
        os.mkdir(folder)
        told = partial(story, self._case, *arguments, **named)
        self._parts.append(Part(f"part {number}", title, folder, told))
        self._fill()

    def wait(self) -> None:
        """Wait until all parts that were started have ended, and show what they wrote.

        Raises SystemExit with the exit status of the first that failed, CaseError when a
        signal ended it.
        """
        while running := [part for part in self._parts if part.running]:
            ended = wait_for(running)
            with _undisturbed():
                for part in ended:
                    part.reap()
                for part in self._parts[len(self._counting()) :]:
                    if part.running:
                        part.end()
                self._show()
            self._fill()
        if self._parts and (failed := self._counting()[-1]).status:
            self._case.record.situation(read(failed.folder, "situation").decode())
            if failed.status > 0:
                raise SystemExit(failed.status)
            names = {each.value: each.name for each in signal.Signals}
            number = -failed.status
            raise CaseError(f"{failed.title} was ended by {names.get(number, f'signal {number}')}")

    def _counting(self) -> list[Part]:
        """Return the parts up to the first that failed: one by one, there were no others."""
        failed = next((i for i, part in enumerate(self._parts) if part.status), len(self._parts))
        return self._parts[: failed + 1]

    def _fill(self) -> None:
        """Start the parts that wait, as many as may run at a time."""
        for part in self._counting():
            if not part.pid and sum(each.running for each in self._parts) < self._at_once:
                sys.stdout.flush()  # or the part would write it, too
                sys.stderr.flush()
                with _undisturbed():
                    part.start(partial(self._be, part, os.getpid()))

    def _show(self) -> None:
        """Write the output of the parts whose turn it is, and keep the logs of those that ended."""
        for part in self._counting()[self._told :]:
            if part.status is None:
                part.show()
                return
            self._take_over(part)

    def _cut(self) -> None:
        """End all parts that run, and show what those that count have written."""
        with _undisturbed():
            for part in self._counting()[self._told :]:
                if part.running:
                    part.end()
                self._take_over(part)

    def _take_over(self, part: Part) -> None:
        """Write the output of a part that has ended, and keep its logs."""
        part.show()
        if part.pid:
            self._case.record.take_over(f"{part.name}, {part.title}", part.folder)
        self._told += 1

    def _be(self, part: Part, parent: int, output: int) -> NoReturn:
        """Be the part, in its process, and end with its exit status."""
        status = 1
        try:
            for fd in (1, 2):
                os.dup2(output, fd)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            with open("/proc/self/comm", "w", encoding="ascii") as name:
                name.write(part.name)  # for who looks at the processes
            _die_with(parent)
            case = self._case
            settle(case, part.folder)
            stack_dump.watch(case)
            status = exit_status.tell(part.story, case.script, case.log, case.record.situation)
        except SystemExit as end:
            status = _status(end)
        except BaseException as error:
            trace = _from(self._case.script, error.__traceback__)
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        finally:
            try:
                _end_threads()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def _terminated(self, *_: object) -> NoReturn:
        """At the time limit: show what all parts have written, and tell where each of them is."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        counting, states = self._counting()[self._told :], []
        for part in self._parts:
            states.append(f"  {part.name}, {part.title}: {part.state()}")
            if part.running:
                part.terminate()
                states += [f"    {line}" for line in told(f"{part.folder}/{STACK}").splitlines()]
        if states:
            self._case.record.situation("\n".join(("side by side were:", *states)))
        for part in counting:
            self._take_over(part)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)


def _check_call(
    story: Callable[..., object], case: "Case", arguments: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Raise CaseError when *story* cannot be called so."""
    if isinstance(story, FunctionType) and not named:
        code = story.__code__
        least = code.co_argcount - len(story.__defaults__ or ())
        if not code.co_kwonlyargcount and least <= 1 + len(arguments) <= code.co_argcount:
            return
    import inspect  # takes a tenth of what a case takes to start

    name = getattr(story, "__name__", repr(story))
    if not callable(story):
        raise CaseError(f"parts.start() takes a function and its arguments, not {name}")
    try:
        inspect.signature(story, follow_wrapped=False).bind(case, *arguments, **named)
    except TypeError as error:
        raise CaseError(f"{name}() cannot be started with the case and that: {error}") from None
    except ValueError:  # one of C, which does not tell what it takes
        return


def _load(case: "Case") -> None:
    """Import what most parts want, once for all of them."""
    import goldlock.inspect.lock_table  # for the log

    if case.qemu_environment.qemu_prog:
        import goldlock.case.machine  # noqa: F401


def settle(case: "Case", folder: str) -> None:
    """Give a case, in the process of a part, the directories and files of the part.

    What it shows is told as if they were those of the case, before any other filter.
    """
    _ = case.paths  # from now on it names the directories of the whole case
    sockets = f"{case.sock_dir}/{os.path.basename(folder)}"
    os.mkdir(sockets)
    moved = {"TEST_DIR": f"{folder}/test", "SOCK_DIR": sockets}
    os.environ.update(moved, HOME=f"{folder}/home", TMPDIR=f"{folder}/home")
    case.as_the_whole = filters.compose(
        filters.directory(moved["TEST_DIR"], case.test_dir),
        filters.directory(moved["SOCK_DIR"], case.sock_dir),
    )
    if case.image.startswith(f"{case.test_dir}/"):
        case.image = moved["TEST_DIR"] + case.image[len(case.test_dir) :]
    case.test_dir, case.sock_dir = moved["TEST_DIR"], moved["SOCK_DIR"]
    case.environment = case.environment._replace(
        test_dir=case.test_dir,
        sock_dir=case.sock_dir,
        goldlock_log=f"{folder}/log",
        goldlock_situation=f"{folder}/situation",
        goldlock_stack=f"{folder}/{STACK}",
    )
    case.record = Record(case.environment)
    case.parts = None
    os.chdir(case.test_dir)


def _end_threads() -> None:
    """Wait for the threads that a part has left, as Python does at its end."""
    if threading := sys.modules.get("threading"):
        this = threading.current_thread()
        while others := [t for t in threading.enumerate() if t is not this and not t.daemon]:
            others[0].join()


def _die_with(parent: int) -> None:
    """Be killed when the case is: nobody would wait for this process any more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _from(script: str, trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first line of the script on; all of it when that has no part."""
    own = trace
    while own and own.tb_frame.f_code.co_filename != script:
        own = own.tb_next
    return own or trace


def _status(end: SystemExit) -> int:
    """Return the exit status of a part that called sys.exit; it is never that of success.

    One after the other, the case would have ended there.
    """
    if isinstance(end.code, int) and end.code & 0xFF:
        return end.code & 0xFF
    text = end.code or "a part that runs side by side cannot end the case: it has to return"
    print(text, file=sys.stderr)  # noqa: T201 - where sys.exit prints it
    return 1


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold SIGTERM back, so that nothing is half done when it comes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
