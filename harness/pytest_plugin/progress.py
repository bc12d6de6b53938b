# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs right now, and how long it may still take: for a person who waits at a terminal.

The words stand behind the name of the case that is waited for, where pytest has left the cursor,
and are gone before its verdict is written there.
"""

import os
import sys
import time

import pytest
from goldlock.pytest_plugin.run import past_of
from goldlock.runner.scheduler import Scheduler

LONG = 5.0
"""Seconds of a run, past or to come, from which on it is worth a word."""

_SAVE, _RESTORE, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Progress:
    """A plugin of pytest."""

    def __init__(self, config: pytest.Config, scheduler: Scheduler) -> None:
        self._terminal = sys.stdout
        self._width = config.get_terminal_writer().fullwidth
        self._root = config.rootpath
        self._scheduler = scheduler
        self._past = past_of(config)
        self._to_go = self._unknown = 0
        self._seconds = 0.0
        self._shown = False
        self._clock = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._to_go = len(session.items)
        paths = [str(item.path) for item in session.items]
        known = [self._past[path].seconds for path in paths if path in self._past]
        self._seconds, self._unknown = sum(known), self._to_go - len(known)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write the words after the name of a case, and put the cursor back."""
        path, _, name = nodeid.partition("::")
        past = self._past.get(str(self._root / path))
        jobs = max(min(self._scheduler.limit, self._to_go), 1)
        left = max(self._seconds / jobs, past.seconds if past else 0.0)
        if max(left, time.monotonic() - self._clock) >= LONG:
            shown = f"{os.path.relpath(self._root / path)}::{name} "
            self._show(self.words(left)[: max(self._width - len(shown) - 1, 0)])
        self._to_go -= 1
        self._seconds -= past.seconds if past else 0.0
        self._unknown -= not past

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._clear()

    def pytest_keyboard_interrupt(self) -> None:
        self._clear()

    def words(self, left: float) -> str:
        """Return what to say where *left* seconds are left by what is known of the last time."""
        running = " ".join(self._scheduler.running())
        about = "at least" if self._unknown else "about"
        time_left = f", {about} {_duration(left)}" if left >= 1 else ""
        return f"{f'running {running}; ' if running else ''}{self._to_go} to go{time_left}"

    def _show(self, words: str) -> None:
        self._terminal.write(f"{_SAVE}{_DIM}{words}{_PLAIN}{_RESTORE}")
        self._terminal.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._terminal.write(_CLEAR)
            self._terminal.flush()
            self._shown = False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
