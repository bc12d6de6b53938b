# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor of a case's lock calls: whether it has one, and how it is started below it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldlock.inspect import processes
from goldlock.runner.scratch import Directories
from goldlock.runner.spawn import Start, child_setup, spawn
from goldlock.settings import Settings
from goldlock.suite.cases import Case

LOCKS, SUPERVISION = "locks", "supervision"
"""Files of a case: the lock calls of its programs, what was wrong with plan or trace."""

_SUPERVISED = frozenset({"faults", "lock-files"})
BY_SECCOMP = _SUPERVISED | {"orders"}
"""What a case can need that a supervisor of its lock calls gives."""


def start_of(case: Case, settings: Settings, directories: Directories) -> Start:
    """Return what starts a case: under a supervisor where it needs one, or a person wants it."""
    wanted = settings.trace_locks or settings.faults or not _SUPERVISED.isdisjoint(case.needs)
    if not wanted or "orders" in case.needs:  # which bring their own: a process can have one
        return spawn
    plans = _plans(case, settings, directories)
    return under_supervision(directories.top, plans, files=sees_files(case, settings))


def sees_files(case: Case, settings: Settings) -> bool:
    """Tell whether that supervisor sees files that are made, renamed and removed."""
    return settings.trace_files or "lock-files" in case.needs


def _plans(case: Case, settings: Settings, directories: Directories) -> list[str]:
    """Return the faults that are asked for, whose files are in the directory of the case."""
    if not settings.faults:
        return []
    from goldlock.lockcalls.plan import absolute, parse_plan  # for those who want it only
    from goldlock.suite.lock_words import words_of
    from goldlock.suite.suite_file import suite_file

    words, folder = words_of(suite_file(case.root)), str(directories.test)
    faults = [each for text in settings.faults for each in parse_plan(text, words)]
    return [str(absolute(fault, folder)) for fault in faults]


def under_supervision(
    folder: Path | None, plans: Sequence[str] = (), *, files: bool = False
) -> Start:
    """Return what starts a program under a supervisor, which writes to files of a folder, if any.

    Its lock calls to `LOCKS`; with *files*, also calls that make, rename and remove files. What
    there is to complain about at the end, to `SUPERVISION`.

    It does what ``goldlock faults PLAN ... --trace FILE -- PROGRAM ...`` would, in a fork
    of this process: to start a Python for it takes as long again, 8 ms.
    """
    options = [*(["--trace", str(folder / LOCKS)] if folder else []), *plans]
    options += ["--files"] if files else []
    # Only for those who want it; and all of it once, so that no fork need load it again.
    from goldlock.lockcalls import command, complaints, loop, plan, supervisor  # noqa: F401 - as above
    from goldlock.lockcalls import trace as traces  # noqa: F401 - as above

    def start(argv: Sequence[str], environ: Mapping[str, str], directory: Path, output: int) -> int:
        arguments = [*options, "--", *argv]
        processes.command_line_area()  # asked once, and known to all forks
        pid = os.fork()
        if pid == 0:
            with child_setup(environ, directory, output):
                processes.set_command_line(["goldlock", "faults", *arguments])
                if folder:
                    complaints.report_to(str(folder / SUPERVISION))
                os._exit(command.main(arguments))
        return pid

    return start
