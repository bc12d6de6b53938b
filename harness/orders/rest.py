# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a program is at rest: none of its threads can do anything until one is let go.

A thread that stands at a lock call is frozen. All others must sleep; that each was seen asleep is
not enough, as one may have woken another that was looked at before. So the kernel's clock of the
processor time of each process is read before and after. Who goes to sleep adds to it: where it is
the same, those who were seen asleep slept all the time, and nobody was left who could wake them.

The state of a thread is that of one asleep a moment before it leaves its processor, too, and it may
turn back. Of what call it is in, the kernel tells only if it has left.
"""

# Asked at each step of each order, where pathlib takes longer than the kernel:
# ruff: noqa: PTH208

import os
import time
from collections.abc import Collection
from contextlib import suppress

AT_ONCE = 8
"""How often one who waits for rest looks at once, before there is a pause between looks."""
_ASLEEP = b"SZXI"
_UNINTERRUPTED = b"D"
"""So sleeps, too, who has called vfork(2), until its child is another program, or has ended."""
_LONGEST = 65536
_TIMED = {"x86_64": (35, 230), "aarch64": (101, 115)}  # nanosleep, clock_nanosleep
_NAPS = {
    "x86_64": {b"23": (1, 5), b"270": (1, 5), b"7": (2, 3), b"271": (2, 3)},
    "aarch64": {b"72": (1, 5), b"73": (2, 3)},
}
"""Of select, pselect6, poll and ppoll: which words tell how many files they wait for, how long."""
_NO_LIMIT = (b"0x0", b"0xffffffff", b"0xffffffffffffffff")
_FORKS = {"x86_64": (58, 56, 435), "aarch64": (220, 435)}  # vfork, clone, clone3


class Restfulness:
    """What is known of the threads of a program, all of its processes included. close() it."""

    def __init__(self, starter: int) -> None:
        """Look below *starter*, a process of one thread; OSError where the kernel does not tell."""
        self._starter = starter
        self.processes: list[int] = []
        """All of them, when they were last seen at rest."""
        self._folders: dict[int, int] = {}
        """How many entries the kernel says that a folder of threads has, by its descriptor."""
        self._children: dict[int, bytes] = {}
        """The children of threads, by the descriptor of the file that tells of them."""
        self._threads: dict[int, tuple[int, int]] = {}
        """Descriptors of what tells the state and the call of a thread."""
        self._timed = [b"%d" % number for number in _TIMED.get(os.uname().machine, ())]
        self._naps = _NAPS.get(os.uname().machine, {})
        self._forks = [b"%d" % number for number in _FORKS.get(os.uname().machine, ())]
        self.has_alarm = False
        """Whether one slept, when it was last asked, for a time that it has set itself."""

        self._look_around()

    def close(self) -> None:
        """Let go of the files in which the kernel tells of threads."""
        of_threads = sum(self._threads.values(), ())
        for fd in (*self._folders, *self._children, *of_threads):
            if fd >= 0:
                os.close(fd)
        for known in (self.processes, self._folders, self._children, self._threads):
            known.clear()

    def is_at_rest(self, standing: Collection[int]) -> bool:
        """Return whether all threads but those that stand at a call sleep, and go on to.

        False may be just for now: ask again. A call that has come meanwhile is of one that sleeps.
        """
        self.has_alarm = False
        try:
            before = self._clocks()
            if self._has_changed():
                self._look_around()
                return False
            for tid, (state, call) in self._threads.items():
                if tid not in standing and not self._sleeps(state, call):
                    return False
            return self._clocks() == before
        except OSError:  # one has ended
            self.close()
            return False

    def _clocks(self) -> list[int]:
        """Return how many nanoseconds each process was on a processor."""
        return [time.clock_gettime_ns(~pid << 3 | 2) for pid in self.processes]

    def _has_changed(self) -> bool:
        """Return whether there are other threads, or processes, than those that are known."""
        for fd, links in self._folders.items():
            if os.fstat(fd).st_nlink != links:
                return True
        for fd, pids in self._children.items():
            if os.pread(fd, _LONGEST, 0) != pids:
                return True
        return not self._children

    def _look_around(self) -> None:
        """Find all threads that there are now."""
        self.close()
        self._look_below(f"/proc/{self._starter}/task/{self._starter}")

    def _look_below(self, thread: str) -> None:
        """Find the threads of all processes that one has started, and of those below them."""
        children = os.open(f"{thread}/children", os.O_RDONLY)
        self._children[children] = b""  # it is known, and closed, though the next call fails
        self._children[children] = os.pread(children, _LONGEST, 0)
        for pid in map(int, self._children[children].split()):
            self.processes.append(pid)
            folder = os.open(f"/proc/{pid}/task", os.O_RDONLY)
            self._folders[folder] = os.fstat(folder).st_nlink
            for tid in map(int, os.listdir(folder)):
                below = f"/proc/{pid}/task/{tid}"
                state = os.open(f"{below}/stat", os.O_RDONLY)
                self._threads[tid] = (state, -1)
                self._threads[tid] = (state, _open_private(f"{below}/syscall"))
                self._look_below(below)

    def _sleeps(self, state: int, call: int) -> bool:
        """Return whether a thread is asleep, but not for a time that it has set itself."""
        text = os.pread(state, _LONGEST, 0)
        letter = text[text.rindex(b")") + 2]
        if letter not in _ASLEEP + _UNINTERRUPTED:
            return False
        words = [b""]
        with suppress(OSError):  # who may not look into it is not told
            words = os.pread(call, _LONGEST, 0).split()
        number = words[0]
        if letter in _UNINTERRUPTED and number not in self._forks:  # a file system's, for a moment
            return False
        files, limit = self._naps.get(number, (0, 0))
        self.has_alarm = number in self._timed or (
            files > 0 and words[files] == b"0x0" and words[limit] not in _NO_LIMIT
        )
        return not self.has_alarm and number != b"running"


def _open_private(path: str) -> int:
    """Open a file of a thread for who may look into it; -1 where that is forbidden."""
    try:
        return os.open(path, os.O_RDONLY)
    except PermissionError:
        return -1
