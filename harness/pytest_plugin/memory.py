# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run leaves for the next one: how each case went, how long it took, and which ran."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from goldlock import atomic_file, safe_open
from goldlock.errors import UsageError
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.run import RUN, history_file, past_of, read_past, say
from goldlock.result import State
from goldlock.runner import history, shards
from goldlock.runner.history import LastRun
from goldlock.suite.kit import given
from goldlock.text import count, printable

_NAMED = 10
"""Cases that are named, past which only their number is."""


class Past:
    """A plugin that remembers how the cases went, for the order of the next run.

    It goes by reports, which come together also where workers of pytest-xdist run the cases; it is
    not for these.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._now: dict[str, LastRun] = {}
        self._names: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a case went."""
        if (result := console.result_of(report)) and result.seconds:
            self._now[result.path] = history.of(result, past_of(self._config).get(result.path))
            self._names[result.path] = result.name

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it down."""
        config = self._config
        if cache := getattr(config, "cache", None):
            try:
                cache.mkdir("goldlock")  # with the files that pytest puts beside
                known = {**read_past(config), **self._now}
                history.write(history_file(config), config.rootpath, known)
            except OSError as error:
                say(config, f"{error.filename}: {error.strerror}; nothing is remembered")
        run = config.stash[RUN]
        if run.settings.store_durations:
            seconds: defaultdict[Path, dict[str, float]] = defaultdict(dict)
            for path, past in self._now.items():
                above = [suite for suite in run.suites if Path(path).is_relative_to(suite)]
                root = max(above, key=lambda suite: len(suite.parts))  # one may be below another
                seconds[root][self._names[path]] = past.seconds
            for root, durations in seconds.items():
                _store_durations(session, root, durations)


def _store_durations(session: pytest.Session, root: Path, seconds: Mapping[str, float]) -> None:
    try:
        path = shards.store_durations(root, {**shards.read_durations(root), **seconds})
        said = f"stored the durations of {count(len(seconds), 'case')}: {path}"
    except UsageError as error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        said = str(error)
    say(session.config, said)


class RanBefore:
    """A plugin that tells which cases ran the last time, and are not run now.

    That is what a run has lost without a failure. The last time is that with the same choice of
    what is under test, such as the image format. Not for a worker of pytest-xdist.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ran: set[str] = set()
        self._not_run: dict[str, tuple[str, str]] = {}
        self._lost: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note whether a case ran."""
        if result := console.result_of(report):
            path = os.path.relpath(result.path, self._config.rootpath)
            if result.state is State.NOT_RUN:
                self._not_run[path] = result.name, result.reason
            else:
                self._ran.add(path)

    def pytest_sessionfinish(self) -> None:
        """Compare with the last time, and be the last time of the next."""
        if not getattr(self._config, "cache", None):
            return
        file = history_file(self._config).with_name("ran")
        choice = " ".join(given(self._config.stash[RUN].settings))
        known = _read(file)
        before = {*known.get(choice, ())}
        lost = [said for path, said in self._not_run.items() if path in before]
        self._lost = [f"{number}: {reason}" for number, reason in lost]
        known[choice] = sorted((before | self._ran) - self._not_run.keys())
        if {*known[choice]} != before:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                atomic_file.replace(file, json.dumps(known).encode())
            except OSError as error:
                say(self._config, f"{file}: {error.strerror}; nothing is remembered")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name them."""
        for said in self._lost[:_NAMED]:
            terminalreporter.write_line(printable(f"ran last time, not run now: {said}"))
        if (more := len(self._lost) - _NAMED) > 0:
            terminalreporter.write_line(f"ran last time, not run now: {more} more")


def _read(file: Path) -> dict[str, list[str]]:
    try:
        known = json.loads(safe_open.read(file))
        return {str(choice): [*map(str, paths)] for choice, paths in known.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
