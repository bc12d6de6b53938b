# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person chose for a run, frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NO_LIMIT = 1_000_000.0
"""Seconds of a time limit at most, and for none: the kernel cannot wait for 25 days."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of a run. *time_limit* is in seconds; *require* are needs of cases."""

    of_kits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The choices of each kit's own options, by its name."""
    programs: Sequence[str] = ()
    """The names of all programs of the suites, ..."""
    debugged: str = ""
    """... and the one that *gdb* is for."""
    require: frozenset[str] = frozenset()
    time_limit: float = 180.0
    variant: str = ""
    update: bool = False
    once: bool = False
    """Whether a case is not run again, to see if it prints the same, where it may be written."""
    review: bool = False
    remove_orphans: bool = False
    force: bool = False
    keep: bool = False
    strict: bool = False
    jobs: int = 0
    """How many cases are run at a time; 0: as many as keep the processors busy."""
    repeat: int = 0
    until_fail: bool = False
    seed: int | None = None
    stress: bool = False
    show_commands: bool = False
    trace_locks: bool = False
    trace_files: bool = False
    """Whether files that are made, renamed and removed are in the trace of lock calls, too."""
    faults: Sequence[str] = ()
    """Plans for all cases, each of one or more lines."""
    slowest: int | None = None
    store_durations: bool = False
    reports: Mapping[str, str] = field(default_factory=dict)
    """The files of the reports that are asked for, by their options."""
    print: bool = False
    wrap: Sequence[str] = ()
    gdb: bool = False
    valgrind: bool = False

    def limit(self, timeout: float | None) -> float:
        """Return the time limit of a case, in seconds, whose header has *timeout*."""
        return NO_LIMIT if self.time_limit == NO_LIMIT else timeout or self.time_limit

    @property
    def is_followed(self) -> bool:
        """Tell whether somebody reads along, or has a debugger at the one port that there is."""
        return self.gdb or self.print or self.trace_locks

    @property
    def writes(self) -> bool:
        """Tell whether what cases print may become goldens."""
        return self.update or self.review

    @property
    def repeats(self) -> bool:
        """Tell whether cases are run more than once, to find out if they always pass."""
        return bool(self.repeat) or self.until_fail
