# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a program is at rest: none of its threads can do anything until one is let go.

A thread that stands at a lock call is frozen. All others must sleep; that each was seen asleep is
not enough, as one may have woken another that was looked at before. So the kernel's counts of how
often each was on a processor are compared between two looks: threads whose counts are equal have
slept all the time, and there was a moment when all slept.
"""

# Asked at each step of each order, where pathlib takes longer than the kernel:
# ruff: noqa: PTH123, PTH208

import os
from collections.abc import Collection, Iterator

from goldlock import linux

_ASLEEP = b"SZXI"
_TIMED = {"x86_64": (35, 230), "aarch64": (101, 115)}  # nanosleep, clock_nanosleep


class Restfulness:
    """What was seen of the threads of a program, all of its processes included."""

    def __init__(self, starter: int) -> None:
        """Look at what is below the process *starter*."""
        self._starter = starter
        self._seen: dict[int, bytes] = {}
        self._timed = _TIMED.get(os.uname().machine, ())

    def is_at_rest(self, standing: Collection[int]) -> bool:
        """Return whether all threads but those that stand at a call sleep, and go on to.

        False may be just for now: ask again.
        """
        before = self._seen
        now = self._look(standing)
        self._seen = now or {}
        return now is not None and all(before.get(tid) == counts for tid, counts in now.items())

    def _look(self, standing: Collection[int]) -> dict[int, bytes] | None:
        """Return the counts of all threads that do not stand; None: one of them is not asleep."""
        found = {}
        for tid in threads_below(self._starter):
            if tid not in standing:
                counts = _counts(tid)
                if counts is None or (counts != self._seen.get(tid) and self._has_alarm(tid)):
                    return None
                found[tid] = counts
        return found

    def _has_alarm(self, tid: int) -> bool:
        """Return whether a thread sleeps for a time that it has set itself."""
        try:
            with open(f"/proc/{tid}/syscall", "rb") as file:
                return file.read().split()[0] in [b"%d" % number for number in self._timed]
        except OSError:
            return False


def threads_below(root: int) -> Iterator[int]:
    """Yield all threads of all processes below one."""
    for pid, _ in linux.processes_below(root):
        try:
            yield from map(int, os.listdir(f"/proc/{pid}/task"))
        except OSError:  # it has just ended
            continue


def _counts(tid: int) -> bytes | None:
    """Return how often a thread was on a processor, as the kernel words it; None: it is awake."""
    try:
        with open(f"/proc/{tid}/status", "rb") as file:
            text = file.read()
    except OSError:
        return b"gone"
    state = text[text.index(b"State:") :].split(None, 2)[1]
    return text[text.index(b"\nvoluntary_ctxt_switches:") :] if state in _ASLEEP else None
