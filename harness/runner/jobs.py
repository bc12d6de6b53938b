# SPDX-License-Identifier: GPL-2.0-or-later
"""How many cases run at a time: as many as leave no processor idle, and none waited for."""

import os
import time
from pathlib import Path

_CPU = Path("/proc/pressure/cpu")

IDLE, BUSY = 0.1, 0.5
"""Shares of the time with somebody waiting: below the one there is room, above the other none."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


JOBS_PER_CPU = 4
"""Jobs for each processor, at most, where the number is to be found out."""

_SHORTEST = 0.2
"""Seconds that a share is told of, at least: in less, it says nothing."""


class CpuPressure:
    """Tells how much of the time somebody waited for a processor, since it was last asked.

    That is the kernel's pressure stall information (Linux 4.20 and later, where it is not
    switched off), not the load: cases mostly wait for each other's locks and answers, and a
    process that waits for those is in nobody's way.
    """

    def __init__(self, file: Path = _CPU) -> None:
        self._file = file
        self._before = self._reading()

    def waiting(self) -> float | None:
        """Return the share, from 0 to 1; None where the kernel does not tell, and too soon."""
        if self._before and time.monotonic() < self._before[0] + _SHORTEST:
            return None
        now, before = self._reading(), self._before
        self._before = now
        if now is None or before is None:
            return None
        return (now[1] - before[1]) / (now[0] - before[0])

    def _reading(self) -> tuple[float, float] | None:
        """Return the time, and the time that was waited until then, in seconds."""
        try:
            some = self._file.read_text().split("\n")[0]  # some avg10=0.00 ... total=3398859
            return time.monotonic(), int(some.rpartition("=")[2]) / 1e6
        except (OSError, ValueError):
            return None


class Jobs:
    """How many cases may run at a time: *asked* for, or where that is 0, found out as they do."""

    def __init__(self, asked: int) -> None:
        self.limit = asked or processors()
        self.is_fixed = bool(asked)
        self._pressure = CpuPressure()

    def for_each_processor(self, jobs: float) -> None:
        """Let so many run at a time for each processor, where no number was asked for."""
        if not self.is_fixed:
            self.keep_to(max(int(jobs * processors()), 1))

    def keep_to(self, limit: int) -> None:
        """Let so many run at a time from now on: there is no room for more."""
        self.limit, self.is_fixed = limit, True

    def adapt(self) -> bool:
        """Take one more, or less, where the machine has room, or none; tell whether it is more."""
        waiting = None if self.is_fixed else self._pressure.waiting()
        if waiting is None:
            return False
        more = waiting < IDLE and self.limit < JOBS_PER_CPU * processors()
        if more:
            self.limit += 1
        elif waiting > BUSY and self.limit > processors():
            self.limit -= 1
        return more
