# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that runs orders, one after the other, as it is told to."""

import multiprocessing
import os
import shutil
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from goldlock import linux
from goldlock.orders import shell
from goldlock.orders.always import NotAtFirstError, PredicateError, mistake
from goldlock.orders.effects import LOCKS, program_of
from goldlock.orders.guide import DivergedError
from goldlock.orders.jobs import Job, Ran
from goldlock.orders.lane import RestlessError
from goldlock.orders.outcome import BROKEN, deadlock_text, outcome_text
from goldlock.orders.play import MOST_STEPS, EndlessError, OrderError, Played, Player
from goldlock.orders.programs import Programs
from goldlock.orders.scratch import copy_tree, listing
from goldlock.orders.starter import Starter, UnavailableError


class Result(NamedTuple):
    """What came of a job: an order and its outcome, or what went wrong.

    *problem* is "diverged" or "broken", and *text* says what in a line; else it is "" and *text*
    is the outcome.
    """

    job: Job
    problem: str
    text: str
    ran: Ran | None = None


class Worker:
    """The other end of such a process."""

    def __init__(self, programs: Programs, template: Path, folder: Path) -> None:
        """Start one, which works below *folder*; *template* is what each order begins with."""
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self.connection, programs, template, folder), daemon=True
        )
        self._process.start()
        theirs.close()

    def close(self) -> None:
        """End it, with all that it runs."""
        self.connection.close()
        shell.end_below(self._process.pid or 0)  # it may wait for those
        self._process.join(1)
        if self._process.is_alive():
            shell.end_below(self._process.pid or 0)
            self._process.kill()
            self._process.join()


def _work(
    jobs: Connection, others: Connection, programs: Programs, template: Path, folder: Path
) -> None:
    others.close()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    starters: list[Starter] = []
    try:
        bench = _started(starters, programs, template, folder)
        while True:
            job = jobs.recv()
            jobs.send(bench.result(job) if isinstance(bench, _Bench) else bench)
    except (EOFError, OSError):  # nobody wants more
        pass
    finally:
        for starter in starters:
            with suppress(OSError):
                starter.close()
        os._exit(0)


def _started(
    starters: list[Starter], programs: Programs, template: Path, folder: Path
) -> "_Bench | Result":
    """Start all; return where orders are run, or what is in the way of any."""
    try:
        for command in programs.commands:
            starters.append(Starter(command, programs.points))
    except UnavailableError as error:
        return Result(Job(()), "unavailable", str(error))
    except OSError as error:
        return Result(Job(()), "broken", f"a program cannot be started: {error.strerror}")
    return _Bench(programs, template, folder, Player(starters, programs))


class _Bench:
    """Where orders are run: a folder for each, one after the other."""

    def __init__(self, programs: Programs, template: Path, folder: Path, player: Player) -> None:
        self._programs = programs
        self._template = template
        self._folder = folder
        self._player = player

    def result(self, job: Job) -> Result:
        """Run a job in a folder of its own."""
        try:
            copy_tree(self._template, self._folder)
            played = self._player.play(job, str(self._folder))
            return Result(job, "", self._text(played), played.ran)
        except Exception as error:  # any: else nobody would be told
            problem = "diverged" if isinstance(error, DivergedError) else "broken"
            return Result(job, problem, self._in_words(error))
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _in_words(self, error: Exception) -> str:
        match error:
            case DivergedError():
                return f"{error}{self._way_out()}"
            case OrderError():
                return f"--order: {error}"
            case NotAtFirstError() | PredicateError() | shell.ShellError():
                return str(error)
            case RestlessError() | EndlessError():
                return self._complaint(error)
            case OSError():
                return f"{error.filename or self._folder}: {error.strerror}"
        return mistake(error, -1)

    def _way_out(self) -> str:
        if self._programs.points != LOCKS:
            return ""
        return "; if that follows from a look at a file by its name, --points files makes it a step"

    def _complaint(self, error: Exception) -> str:
        name = self._programs.by_letter[program_of(str(error))]
        if isinstance(error, EndlessError):
            return f"{name}: more than {MOST_STEPS} steps, and no end"
        limit = self._programs.limit
        return f"{name}: no lock call and no end in {limit:g} s; it does not come to rest"

    def _text(self, played: Played) -> str:
        if played.ran.end == "cut":
            return ""
        names = self._programs.by_letter
        broken = sorted({step.broken for step in played.ran.steps} - {""})
        text = "".join(f"{BROKEN}{each}\n" for each in broken)
        if played.ran.end == "deadlock":
            return text + deadlock_text(names, played.waits)
        left = self._left()
        text += outcome_text(self._programs.names, played.statuses, played.said, left)
        return text.replace(f"{self._folder}/", "").replace(str(self._folder), ".")

    def _left(self) -> str:
        if not self._programs.outcome:
            return listing(self._folder)
        text = shell.outcome(self._programs.outcome, self._folder, self._programs.limit)
        return text if text.endswith("\n") or not text else f"{text}\n"
