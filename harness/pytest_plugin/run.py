# SPDX-License-Identifier: GPL-2.0-or-later
"""What pytest is to run of goldlock: decided once, by the command or by a project's settings."""

import os
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from goldlock.dialects.known import of_folder
from goldlock.options import ORPHANS, in_words_of_pytest
from goldlock.pytest_plugin import HANDED_OVER
from goldlock.reports import files
from goldlock.reports.repo_paths import here
from goldlock.runner import history
from goldlock.runner.history import LastRun
from goldlock.runner.scheduler import Scheduler
from goldlock.settings import Settings
from goldlock.suite import choices
from goldlock.suite import kit as kits
from goldlock.suite.cases import Case
from goldlock.text import printable


@dataclass(eq=False)
class Run:
    """The suites of a run, by their folders, and the cases of each that were selected.

    A suite that *selected* has nothing for is run as a whole. With *orphans*, goldens that no
    case uses are failures. *scheduler* has cases that run already; a worker of pytest-xdist has one
    of its own. *began* is when the command did, by the monotonic clock; 0 where pytest came first.
    """

    __name__ = HANDED_OVER  # as pluggy calls it, where the command gives it to pytest

    settings: Settings
    suites: Sequence[Path]
    selected: Mapping[Path, Sequence[Case]] = field(default_factory=dict)
    orphans: bool = False
    by_command: bool = False
    scheduler: Scheduler | None = None
    began: float = 0.0

    @classmethod
    def of_project(cls, config: pytest.Config, suites: Sequence[Path]) -> "Run":
        """Take the settings from pytest's options; raise UsageError for what cannot be."""
        given = {each.name: getattr(config.option, each.dest, None) for each in kits.options()}
        settings = choices.settings(Namespace(**given), os.environ, suites)
        files.check(settings.reports)
        orphans = getattr(config.option, ORPHANS.dest) or settings.remove_orphans
        return cls(settings, suites, orphans=orphans)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what has threads and processes."""
        return {**vars(self), "scheduler": None}

    def cases(self) -> list[Case]:
        """Return the cases that were selected; raise UsageError where one is not sound."""
        if self.selected:
            return [case for cases in self.selected.values() for case in cases]
        return [case for root in self.suites for case in of_folder(root).read(root).cases]

    def worded(self, message: str) -> str:
        """Return a message with options as they are called where this was started."""
        return message if self.by_command else in_words_of_pytest(message, kits.options())

    def elapsed(self) -> SimpleNamespace:
        """Return the ``seconds`` since the command began, as a clock of pytest does."""
        return SimpleNamespace(seconds=time.monotonic() - self.began)

    def has(self, folder: Path) -> bool:
        """Tell whether a folder is that of the cases of a suite."""
        return folder in self.selected or (folder.name == "cases" and folder.parent in self.suites)

    def case(self, path: Path) -> Case | None:
        """Return the case in a file that was selected."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> Mapping[Path, Case]:
        return {case.path: case for cases in self.selected.values() for case in cases}


RUN = pytest.StashKey[Run]()
"""Where pytest's configuration has the run, ..."""

SCHEDULER = pytest.StashKey[Scheduler]()
"""... who runs its cases, ..."""

UNSOUND = pytest.StashKey[set[Path]]()
"""... and the files of cases that could not be collected, for their headers."""


def history_file(config: pytest.Config) -> Path:
    """Return where, in pytest's cache, it is remembered how cases went."""
    folder: str = os.path.expandvars(os.path.expanduser(config.getini("cache_dir")))  # noqa: PTH111 - as pytest does
    return config.rootpath / folder / history.HISTORY


_PAST = pytest.StashKey[dict[str, LastRun]]()


def past_of(config: pytest.Config) -> dict[str, LastRun]:
    """Return how cases had gone when this was first asked: several ask, of thousands of cases."""
    if _PAST not in config.stash:
        config.stash[_PAST] = read_past(config)
    return config.stash[_PAST]


def read_past(config: pytest.Config) -> dict[str, LastRun]:
    """Return how cases went, by their paths; of none with ``-p no:cacheprovider``."""
    there = getattr(config, "cache", None)
    return history.read(history_file(config), config.rootpath) if there else {}


def say(config: pytest.Config, text: str) -> None:
    """Say something in a line of its own, where anything is said."""
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.ensure_newline()
        reporter.write_line(printable(here(text)))
