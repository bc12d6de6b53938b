# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case shows: text, through filters, in sections; what it keeps goes to a log."""

import re
import sys
from functools import cached_property
from typing import ClassVar, Literal, NoReturn

from goldlock import filters
from goldlock.case.raw_log import RawLog
from goldlock.case.refusals import REFUSED
from goldlock.environment import Environment
from goldlock.errors import NotRun
from goldlock.filters import Filter

Style = Literal["spaced", "tight", "major"]
"""How a heading stands in the output:

======== ==============================================================
spaced   an empty line, ``== heading ==``
tight    ``== heading ==``
major    an empty line, ``=== heading ===``, and another empty line
======== ==============================================================
"""
_STYLES = {"spaced": "\n== {} ==\n", "tight": "== {} ==\n", "major": "\n=== {} ===\n\n"}


class Output:
    """What a case shows, on standard output, and keeps, in its log; the filters of this run."""

    refused: ClassVar[re.Pattern[str] | None] = REFUSED
    """Matches what programs say when they are refused a lock: the log tells then who has it."""

    def __init__(self, environment: Environment, script: str = "") -> None:
        self.environment = environment
        self.script = script
        self.raw_log = RawLog(environment, self.refused)
        self.number = environment.goldlock_case
        self.test_dir = environment.test_dir
        self.sock_dir = environment.sock_dir
        self.path_alias: Filter | None = None
        """In a task of a group: writes the directories of the whole case for those of the task."""

    def log(self, text: str = "", *with_filters: Filter) -> None:
        """Print *text*, filtered, with a line end if it has none; nothing for ``""`` filtered.

        ``log()`` prints an empty line.
        """
        if self.path_alias:
            text = self.path_alias(text)
        if with_filters:
            text = filters.compose(*with_filters)(text)
            if not text:
                return
        if not text.endswith("\n"):
            text += "\n"
        if "==" in text:
            self.raw_log.headings(text)
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()

    def section(self, heading: str, style: Style = "spaced") -> None:
        """Start a section of the output, with a heading in a style (see `Style`)."""
        self.log(_STYLES[style].format(heading), self.paths)

    def not_run(self, reason: str) -> NoReturn:
        """End the case: it cannot run here, for *reason*."""
        raise NotRun(reason)

    # Filters for this run

    @cached_property
    def paths(self) -> Filter:
        """Write ``TEST_DIR`` and ``SOCK_DIR`` for the directories of this run."""
        return filters.paths(self.test_dir, self.sock_dir)

    @cached_property
    def stderr_output(self) -> Filter:
        """What programs say on standard error: `paths`. A case may put another filter here."""
        return self.paths

    @cached_property
    def holders(self) -> Filter:
        """Write ``PID`` for process ids in what `locks` returns."""
        return filters.holders
