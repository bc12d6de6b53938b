# SPDX-License-Identifier: GPL-2.0-or-later
"""What a dialect is to the runner: all that it asks of the layout and the habits of a suite.

goldlock's own is `goldlock.dialects.own`. A kit whose suites have another names it (`Kit.dialect`).
Options are the kit's, and which folders are such suites, too (`Kit.recognises`).
"""

from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from goldlock.goldens.compare import OWN, Reading
from goldlock.settings import Settings
from goldlock.suite.cases import Case, Suite
from goldlock.suite.programs import Programs


class Asked(NamedTuple):
    """Which cases a person wants: their names, groups, those not, and where to start."""

    names: Sequence[str] = ()
    groups: Sequence[str] = ()
    exclude: Sequence[str] = ()
    start_from: str | None = None


class Verdict(NamedTuple):
    """What a case says of itself, beside its output.

    *reason* tells why it could not run here. *skipped* are parts of it that were left out, each
    in a line with the reason.
    """

    reason: str = ""
    skipped: Sequence[str] = ()


class Dialect(ABC):
    """A layout of suites, with its habits. It has no state: each process has its own."""

    leftovers_fail: ClassVar = True
    """Whether a case fails that leaves a process or a mount behind; otherwise it is noted."""
    retries: ClassVar = 0
    """How often a case that failed is run again, to tell what is flaky."""
    is_ours: ClassVar = True
    """Whether goldlock may keep files of its own in the suite, beside what a person asks for."""
    jobs_per_cpu: ClassVar[float | None] = None
    """How many cases run at a time for each processor; None for as many as keep it busy."""
    one_session: ClassVar = False
    """Whether cases share a session, where each leads a process group; otherwise each has one."""
    variables: ClassVar[Sequence[str]] = ("PWD", "HOME", "TMPDIR")
    """Which of a case's directories it is told of by the variables that programs heed."""
    reading: ClassVar[Reading] = OWN
    """How a golden and an output are taken apart."""

    @abstractmethod
    def read(self, folder: Path) -> Suite:
        """Read the suite in a folder; raise UsageError, with the file, where it is not sound."""

    @abstractmethod
    def select(self, suite: Suite, asked: Asked) -> list[Case]:
        """Return the cases that are asked for; raise UsageError for what there is not."""

    def listed(self, suite: Suite, cases: Sequence[Case], options: Namespace) -> Sequence[Case]:
        """Return those of the selected cases that are told of where none is run."""
        return cases

    @abstractmethod
    def collected(self, suite: Suite) -> Path:
        """Return the folder below which all files of cases are."""

    @abstractmethod
    def goldens(self, case: Case, programs: Programs, settings: Settings) -> Sequence[Path]:
        """Return the files that a case is held against, as `goldlock.goldens.judge` takes them."""

    def why_not(self, case: Case, goldens: Sequence[Path], settings: Settings) -> str:
        """Return why a case is not started at all; nothing where it is."""
        return ""

    @abstractmethod
    def command(self, case: Case, settings: Settings) -> list[str]:
        """Return the command line that starts a case."""

    def imports(self, case: Case) -> Sequence[str]:
        """Return the modules that the interpreter of a case may have loaded before others start.

        None, unless the command starts a script for Python. That they are loaded makes no
        difference, but for the time.
        """
        return ()

    def directory(self, case: Case, scratch: Path) -> Path:
        """Return the folder that a case is started in; *scratch* is its own, and empty."""
        return scratch

    def name_in_tap(self, name: str, settings: Settings) -> str:
        """Return what a case is called in a line of TAP."""
        return name

    @abstractmethod
    def surroundings(self, environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
        """Return what any case sees of the caller's environment; *scratch* is the run's."""

    @abstractmethod
    def verdict(self, case: Case, status: int | None, output: Path, scratch: Path) -> Verdict:
        """Return what a case says of itself; its reason counts unless the runner ended it.

        *status* is its exit status, None where the runner ended it; *output* is the file of what
        it printed, *scratch* its directory.
        """
