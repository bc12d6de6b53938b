# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a program is at rest: none of its threads can do anything until one is let go.

A thread that stands at a lock call is frozen. All others must sleep; that each was seen asleep is
not enough, as one may have woken another that was looked at before. So the kernel's counts of how
often each was on a processor are compared between two looks: threads whose counts are equal have
slept all the time, and there was a moment when all slept.
"""

# Asked at each step of each order, where pathlib takes longer than the kernel:
# ruff: noqa: PTH116, PTH208

import os
from collections.abc import Collection, Iterator

_ASLEEP = (b"S", b"Z", b"X", b"I")
_LONGEST = 65536
_TIMED = {"x86_64": (35, 230), "aarch64": (101, 115)}  # nanosleep, clock_nanosleep


class Restfulness:
    """What was seen of the threads of a program, all of its processes included. close() it."""

    def __init__(self, starter: int) -> None:
        """Look at what is below the process *starter*."""
        self._starter = starter
        self._seen: dict[int, bytes] = {}
        self._files: dict[tuple[int, str], int] = {}
        self._threads: dict[int, tuple[int, list[int]]] = {}
        self._timed = _TIMED.get(os.uname().machine, ())
        self.has_alarm = False
        """Whether one slept, when it was last asked, for a time that it has set itself."""

    def close(self) -> None:
        """Let go of the files in which the kernel tells of threads."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def is_at_rest(self, standing: Collection[int]) -> bool:
        """Return whether all threads but those that stand at a call sleep, and go on to.

        False may be just for now: ask again.
        """
        self.has_alarm = False
        before = self._seen
        now = self._look(standing)
        self._seen = now or {}
        return now is not None and all(before.get(tid) == counts for tid, counts in now.items())

    def _look(self, standing: Collection[int]) -> dict[int, bytes] | None:
        """Return the counts of all threads that do not stand; None: one of them is not asleep."""
        found = {}
        for tid in self._threads_below(self._starter):
            if tid not in standing:
                counts = self._counts(tid)
                if counts is None or (counts != self._seen.get(tid) and self._sleeps_for(tid)):
                    return None
                found[tid] = counts
        return found

    def _threads_below(self, parent: int) -> Iterator[int]:
        """Yield all threads of all processes below one, but not its own."""
        for tid in self._threads_of(parent):
            if parent != self._starter:
                yield tid
            for child in self._read(tid, "children").split():
                yield from self._threads_below(int(child))

    def _threads_of(self, pid: int) -> list[int]:
        """Return the threads of a process: those that are known, if as many are there now."""
        folder = f"/proc/{pid}/task"
        try:
            number = os.stat(folder).st_nlink
            if pid not in self._threads or self._threads[pid][0] != number:
                self._threads[pid] = (number, [int(name) for name in os.listdir(folder)])
        except OSError:  # it has just ended
            return []
        return self._threads[pid][1]

    def _counts(self, tid: int) -> bytes | None:
        """Return how often a thread was on a processor, as the kernel words it; None: awake."""
        text = self._read(tid, "status")
        if not text:
            return b"gone"
        state = text[text.index(b"State:") :].split(None, 2)[1]
        asleep = state in _ASLEEP
        return text[text.index(b"\nvoluntary_ctxt_switches:") :] if asleep else None

    def _sleeps_for(self, tid: int) -> bool:
        """Return whether a thread sleeps for a time that it has set itself."""
        words = self._read(tid, "syscall").split()
        self.has_alarm = bool(words) and words[0] in [b"%d" % number for number in self._timed]
        return self.has_alarm

    def _read(self, tid: int, name: str) -> bytes:
        """Return what the kernel tells of a thread, by a file that is opened once; b"": gone."""
        known = self._files.pop((tid, name), -1)
        if known >= 0:
            try:
                text = os.pread(known, _LONGEST, 0)
                self._files[tid, name] = known
                return text
            except OSError:  # it has ended, and another may be there instead
                os.close(known)
                self._threads.clear()
        try:
            fd = os.open(f"/proc/{tid}/task/{tid}/{name}", os.O_RDONLY)
            self._files[tid, name] = fd
            return os.pread(fd, _LONGEST, 0)
        except OSError:
            self._threads.clear()
            return b""
