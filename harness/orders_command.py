# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock orders``: what any order of lock calls can do to some programs."""

import argparse
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock.errors import UsageError
from goldlock.filters.by_name import UnknownError, chosen
from goldlock.lockcalls.words import KIT_VARIABLE, byte_words
from goldlock.orders import shell
from goldlock.orders.always import Command
from goldlock.orders.arguments import check, command_of, parser
from goldlock.orders.explorer import (
    ExploreError,
    Pool,
    UnavailableHereError,
    confirm,
    explore,
    pool,
    replay,
)
from goldlock.orders.history import parse_order
from goldlock.orders.jobs import LETTERS
from goldlock.orders.outcome import Outcome, indented
from goldlock.orders.programs import Programs
from goldlock.orders.report import claim, outcome_lines, silent
from goldlock.orders.search import Choice
from goldlock.orders.shrink import shrunk
from goldlock.orders.together import TogetherError, together
from goldlock.runner import shards
from goldlock.suite.lock_words import asked
from goldlock.text import count, printable

COMMAND = "goldlock orders"
UNAVAILABLE = 77
_MOST_PROBLEMS = 5
_NAMED = re.compile(r"([A-Za-z][\w-]*): +(.*)", re.S)


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and tidy up
    try:
        return _run(parser(COMMAND).parse_args(arguments))
    except UnavailableHereError as error:
        return _fail(str(error), UNAVAILABLE)
    except (UsageError, ExploreError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.filename:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the output goes nowhere
        return _fail(f"standard output: {error.strerror}", 2)


def _fail(text: str, status: int) -> int:
    print(f"{COMMAND}: {text}", file=sys.stderr)  # noqa: T201 - to the person who started it
    return status


class _Task(NamedTuple):
    """What was asked for."""

    options: argparse.Namespace
    programs: Programs
    choice: Choice
    never: re.Pattern[str] | None
    clean: Callable[[str], str]


def _task(options: argparse.Namespace) -> _Task:
    if len(options.programs) > len(LETTERS):
        raise UsageError(f"more than {len(LETTERS)} programs")
    named = [_NAMED.fullmatch(text) for text in options.programs]
    names = tuple(found[1] if found else LETTERS[i] for i, found in enumerate(named))
    if len(set(names)) < len(names):
        raise UsageError(f"two programs have the same name: {', '.join(names)}")
    texts = [
        found[2] if found else text for found, text in zip(named, options.programs, strict=True)
    ]
    try:
        never = re.compile(options.never, re.S | re.M) if options.never else None
        clean = chosen(shlex.split(options.filter), os.environ.get(KIT_VARIABLE, ""))
        words = byte_words(options.kit)
    except re.error as error:
        raise UsageError(f"--never: {error}") from error
    except (UnknownError, ValueError) as error:
        raise UsageError(str(error)) from error
    commands = tuple(command_of(text) for text in texts)
    always = Command(options.always, options.limit) if options.always else None
    programs = Programs(
        names, commands, options.outcome, words, options.points, options.limit, clean,
        always, options.holders,
    )  # fmt: skip
    shard = shards.parse(options.shard) if options.shard is not None else None
    choice = Choice(options.switches, options.chance, options.seed or 0, shard)
    return _Task(options, programs, choice, never, clean)


def _run(options: argparse.Namespace) -> int:
    check(options)
    os.environ.update(asked(options.kit, options.suite))  # for filters, and for what is started
    status = _together(options.programs) if options.together else _run_programs(options)
    sys.stdout.flush()
    return status


def _run_programs(options: argparse.Namespace) -> int:
    task = _task(options)
    order = _order(options)
    is_one = order is not None and not options.shrink
    jobs = 1 if is_one else options.jobs or len(os.sched_getaffinity(0))
    with pool(task.programs, lambda folder: _set_up(options, folder), jobs) as work:
        if order is not None:
            return _replay(task, work, order)
        return _explore(task, work)


def _together(files: Sequence[str]) -> int:
    try:
        texts = [(name, Path(name).read_text("utf-8", "surrogateescape")) for name in files]
        found = together(texts)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    except TogetherError as error:
        raise UsageError(f"--together: {error}") from error
    _say(found.text.splitlines())
    return int(found.is_bad)


def _set_up(options: argparse.Namespace, folder: Path) -> None:
    if not options.setup:
        return
    try:
        shell.set_up(options.setup, folder, options.limit)
    except shell.ShellError as error:
        raise UsageError(str(error)) from None


def _order(options: argparse.Namespace) -> list[str] | None:
    if options.order is None:
        return None
    try:
        actors = parse_order(options.order)
    except ValueError as error:
        raise UsageError(f"--order: {error}") from error
    last = LETTERS[len(options.programs) - 1]
    for actor in actors:
        if actor[0] > last:
            raise UsageError(f"--order: {actor}: the last program is {last}")
    return actors


def _replay(task: _Task, workers: Pool, order: Sequence[str]) -> int:
    result = replay(workers, [(actor, "") for actor in order])
    if result.ran is None:
        raise ExploreError(result.text)
    text = task.clean(result.text)
    outcome = Outcome(text, result.ran.steps, result.ran.steps)
    problems: list[str] = []
    if task.options.shrink:
        (outcome,), problems = confirm(workers, _shrunk(task, workers, [outcome]), task.clean)
    _say_programs(task)
    _say(outcome_lines(outcome, task.programs.by_letter, all_steps=True))
    _draw(task, [outcome], "One order was run")
    for problem in problems:
        _fail(problem, 1)
    return int(bool(_mark(task, outcome) or problems))


def _explore(task: _Task, workers: Pool) -> int:
    started = time.monotonic()
    counter = _Counter()
    try:
        found = explore(
            workers,
            task.choice.search(),
            task.options.budget,
            task.clean,
            counter.show,
        )
    finally:
        counter.clear()
    if found.cut or task.options.shrink or task.choice.chance is not None:
        found = found._replace(outcomes=_shrunk(task, workers, found.outcomes))
    _say_programs(task)
    outcomes, wrong = confirm(workers, found.outcomes, task.clean)
    found = found._replace(outcomes=outcomes)
    problems = [*found.diverged, *wrong]
    bad = False
    for number, outcome in enumerate(found.outcomes, 1):
        mark = _mark(task, outcome)
        bad = bad or bool(mark)
        _say([f"outcome {number}{f' - {mark}!' if mark else ''}"])
        lines = outcome_lines(outcome, task.programs.by_letter, all_steps=task.options.steps)
        _say([*indented("\n".join(lines)).splitlines(), ""])
    _say(silent(found, task.programs.by_letter, task.options.points))
    what = claim(found, task.choice)
    _say([what, f"{count(found.runs, 'run')} in {time.monotonic() - started:.1f} s"])
    _draw(task, found.outcomes, what)
    for problem in problems[:_MOST_PROBLEMS]:
        _fail(problem, 1)
    if len(problems) > _MOST_PROBLEMS:
        _fail(f"and {len(problems) - _MOST_PROBLEMS} more", 1)
    return int(bad or bool(problems))


def _shrunk(task: _Task, workers: Pool, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Make the orders shorter of what must not be; of all outcomes, if that was asked for.

    If there is a limit for the time that all takes, it is at most as long again.
    """
    budget = task.options.budget
    end = None if budget is None else time.monotonic() + budget
    wanted = [each for each in outcomes if task.options.shrink or _mark(task, each)]
    return sorted(
        (shrunk(workers, each, task.clean, end) if each in wanted else each for each in outcomes),
        key=Outcome.length,
    )


def _mark(task: _Task, outcome: Outcome) -> str:
    """Return in a word what makes the exit status 1; nothing where an outcome does not."""
    is_never = task.never and task.never.search(outcome.text)
    return "never" if is_never else outcome.failure


def _say_programs(task: _Task) -> None:
    _say(f"{letter}  {text}" for letter, text in zip(LETTERS, task.options.programs, strict=False))
    _say([""])


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line))  # noqa: T201 - what was asked for


def _draw(task: _Task, outcomes: Sequence[Outcome], what: str) -> None:
    if not task.options.html:
        return
    from goldlock.reports.order_picture import Program, document  # jinja2: for those who want it

    commands = map(shlex.join, task.programs.commands)
    programs = [Program(*each) for each in zip(task.programs.names, commands, strict=True)]
    marks = [_mark(task, outcome) for outcome in outcomes]
    try:
        Path(task.options.html).write_text(
            document(programs, outcomes, marks, what), "utf-8", "surrogateescape"
        )
    except OSError as error:
        raise UsageError(f"--html {task.options.html}: {error.strerror}") from error


class _Counter:
    """A line on a terminal that tells how far it is."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, runs: int, outcomes: int, left: int) -> None:
        """Tell it."""
        if self._shown:
            text = f"{count(runs, 'run')}, {count(outcomes, 'outcome')}, {left} more known of"
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above
