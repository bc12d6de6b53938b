# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks of a case that run in parallel, each in a process and in directories of its own.

A task is a fork of the case, so nothing that it changes is seen elsewhere. What it prints is
kept in a file, and comes out in the order in which the tasks are written in the script,
as does what it logs: nobody can tell that they did not run one after the other.
"""

# In the way of a quick case, where pathlib costs too much:
# ruff: noqa: PTH102, PTH110

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FunctionType
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, Self, TypeVar

from goldlock.case import stack_dump
from goldlock.case.parallel_child import ParallelCase, Task, wait_for_any
from goldlock.case.raw_log import read
from goldlock.environment import FAILURE_REPORT, STACK_DUMP
from goldlock.errors import CaseError
from goldlock.inspect.stack_dump import render
from goldlock.linux import signal_name

P = ParamSpec("P")
C = TypeVar("C", bound=ParallelCase)

SPARE = 1
"""Tasks that run at a time beyond one for each processor: while one waits, another can run.

Measured with 153 on two processors: two at a time are a tenth slower, four no quicker.
"""


class TaskGroup(Generic[C]):
    """The tasks of one block of `Case.task_group`, which ends when all of them have ended.

    When one fails, the case ends as if all had run one after the other: with the output of
    those before it, its own, and its exit status. Those after it are ended.

    When the block itself raises, all tasks are ended at once. What they had printed is shown.
    *at_once* is how many run at a time.
    """

    def __init__(self, case: C, at_once: int) -> None:
        self.open = False
        self._case = case
        self._tasks: list[Task] = []
        self._done = 0  # tasks whose output is out, and whose logs are in the case's
        self._at_once = at_once

    def __enter__(self) -> Self:
        self._case.preload()
        self.open = True
        self._before = stack_dump.set_handler(self._terminated)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind:
                self._cancel()
            else:
                self.wait()
        finally:
            for task in self._tasks:
                if task.running:  # standard output is closed, or the like
                    task.end()
            stack_dump.set_handler(self._before)
            self.open = False

    def start(
        self,
        main: Callable[Concatenate[C, P], object],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> None:
        """Run ``main(case, ...)`` beside the other tasks, as soon as there is room for it.

        In it, *case* has directories of its own: ``test_dir``, ``sock_dir``, and the current
        directory. What it changes in Python's objects is gone at its end.

        Raises CaseError outside of the block: nobody would wait for the task.
        """
        if not self.open:
            raise CaseError("a task starts inside the with block of case.task_group()")
        _check_call(main, self._case, arguments, named)
        words = [repr(each) for each in arguments]
        words += [f"{name}={value!r}" for name, value in named.items()]
        title = self._case.paths(f"{getattr(main, '__name__', main)}({', '.join(words)})")
        number = 1
        while os.path.exists(folder := f"{self._case.test_dir}/task{number}"):
            number += 1
        os.mkdir(folder)
        call = partial(main, self._case, *arguments, **named)
        self._tasks.append(Task(f"task {number}", title, folder, call))
        self._fill()

    def wait(self) -> None:
        """Wait until all tasks that were started have ended, and show what they printed.

        Raises SystemExit with the exit status of the first that failed, CaseError when a
        signal ended it.
        """
        while running := [task for task in self._tasks if task.running]:
            ended = wait_for_any(running)
            with _undisturbed():
                for task in ended:
                    task.reap()
                for task in self._tasks[len(self._counting()) :]:
                    if task.running:
                        task.end()
                self._show()
            self._fill()
        if self._tasks and (failed := self._counting()[-1]).status:
            self._case.raw_log.failure_report(read(failed.folder, FAILURE_REPORT).decode())
            if failed.status > 0:
                raise SystemExit(failed.status)
            raise CaseError(f"{failed.title} was ended by {signal_name(-failed.status)}")

    def _counting(self) -> list[Task]:
        """Return the tasks up to the first that failed: one by one, there were no others."""
        failed = next((i for i, task in enumerate(self._tasks) if task.status), len(self._tasks))
        return self._tasks[: failed + 1]

    def _fill(self) -> None:
        """Start the tasks that wait, as many as may run at a time."""
        for task in self._counting():
            if not task.pid and sum(each.running for each in self._tasks) < self._at_once:
                sys.stdout.flush()  # or the task would write it, too
                sys.stderr.flush()
                with _undisturbed():
                    self._start(task)

    def _start(self, task: Task) -> None:
        try:
            task.start(self._case)
        except OSError as error:
            raise CaseError(f"cannot start a task: {error.strerror}") from None

    def _show(self) -> None:
        """Write the output of the tasks whose turn it is, and keep the logs of those that ended."""
        for task in self._counting()[self._done :]:
            if task.status is None:
                task.show()
                return
            self._finish(task)

    def _cancel(self) -> None:
        """End all tasks that run, and show what those that count have printed."""
        with _undisturbed():
            for task in self._counting()[self._done :]:
                if task.running:
                    task.end()
                self._finish(task)

    def _finish(self, task: Task) -> None:
        """Write the output of a task that has ended, and keep its log."""
        task.show()
        if task.pid:
            self._case.raw_log.append_task(f"{task.name}, {task.title}", task.folder)
        self._done += 1

    def _terminated(self, *_: object) -> NoReturn:
        """At the time limit: show what all tasks have printed, and tell where each of them is."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        counting, states = self._counting()[self._done :], []
        for task in self._tasks:
            states.append(f"  {task.name}, {task.title}: {task.state()}")
            if task.running:
                task.terminate()
                stack = render(f"{task.folder}/{STACK_DUMP}")
                states += [f"    {line}" for line in stack.splitlines()]
        if states:
            self._case.raw_log.failure_report("\n".join(("its tasks were:", *states)))
        for task in counting:
            self._finish(task)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)


def _check_call(
    main: Callable[..., object], case: object, arguments: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Raise CaseError when *main* cannot be called so."""
    if isinstance(main, FunctionType) and not named:
        code = main.__code__
        least = code.co_argcount - len(main.__defaults__ or ())
        if not code.co_kwonlyargcount and least <= 1 + len(arguments) <= code.co_argcount:
            return
    import inspect  # takes a tenth of what a case takes to start

    name = getattr(main, "__name__", repr(main))
    if not callable(main):
        raise CaseError(f"group.start() takes a function and its arguments, not {name}")
    try:
        inspect.signature(main, follow_wrapped=False).bind(case, *arguments, **named)
    except TypeError as error:
        raise CaseError(f"{name}() cannot be started with the case and that: {error}") from None
    except ValueError:  # one of C, which does not tell what it takes
        return


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold SIGTERM back, so that nothing is half done when it comes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
