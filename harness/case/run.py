# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a case script: make its Case, call its main function, end with its exit status."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from typing import TypeVar

from goldlock.case import exit_status, stack_dump
from goldlock.case.case import Case
from goldlock.errors import set_context_hook
from goldlock.lockcalls.words import KIT_VARIABLE

C = TypeVar("C", bound=Case)


def run(main: Callable[[Case], object]) -> None:
    """Run a case script's *main* with the Case of its suite's kit.

    Does nothing if the script is not what Python was started with. Exit status: 0 when *main*
    came to its end, 77 when it could not run here, 1 when something went wrong, with one line
    that names the script's line; 2 when the script was not started by the runner.
    """
    run_with(_case_of_kit, main)


def run_with(make_case: Callable[[Mapping[str, str], str], C], main: Callable[[C], object]) -> None:
    """Run *main* as `run` does, with a Case that *make_case* makes as `Case.from_environ` does."""
    script = main.__code__.co_filename
    if main.__module__ != "__main__":
        return
    try:
        case = make_case(os.environ, script)
    except LookupError as error:
        type_this = "" if "GOLDLOCK_CASE" in os.environ else f"; type: goldlock {script}"
        print(f"{script}: {error.args[0]}{type_this}", file=sys.stderr)  # noqa: T201 - to a person who started it
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        # What it prints is out before what a program writes to the same pipe, and at a time limit.
        sys.stdout.reconfigure(line_buffering=True)
    stack_dump.install(script, case.environment.goldlock_stack_dump)
    set_context_hook(partial(_context, os.getpid(), case.test_dir))
    keep = case.raw_log.failure_report
    if status := exit_status.run_and_report(partial(main, case), script, case.log, keep):
        sys.exit(status)


def _case_of_kit(environ: Mapping[str, str], script: str) -> Case:
    kit = environ.get(KIT_VARIABLE)
    if not kit:
        return Case.from_environ(environ, script)
    try:
        kind: type[Case] = import_module(f"goldlock.kits.{kit}").Case
    except ModuleNotFoundError as error:
        raise LookupError(f"{KIT_VARIABLE}: no kit {kit!r} ({error})") from None
    return kind.from_environ(environ, script)


def _context(root: int, directory: str) -> str:
    """Tell of the case's processes and locks, if there is more than the case and its tasks."""
    from goldlock.inspect.process_report import report  # only at a failure
    from goldlock.lockcalls.words import byte_words

    text = report(root, directory, byte_words())
    case, *others = text.splitlines() or [""]
    own = case.strip().rpartition(" (pid ")[0]  # a task has it, after its name
    if all(other.rpartition(" (pid ")[0].endswith(own) for other in others):
        return ""
    return f"process tree when it failed:\n{text}"
