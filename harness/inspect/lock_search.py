# SPDX-License-Identifier: GPL-2.0-or-later
"""Which locks there are on files, who has them, and who waits: what the kernel knows.

A lock of an open file (OFD, flock, lease) does not say whose it is: the processes that have the
file open are asked. The kernel's table (/proc/locks) has those of processes that cannot be asked,
and who waits, but for what it hides in containers (`hides_locks`). It takes 10 ms to read where
there are 10,000 locks, so in a case it is read only where it is short, or where there is no other
way.
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH208

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from goldlock.inspect import process_facts, processes
from goldlock.inspect.open_files import Files, awaited, locked_files
from goldlock.kernel_locks import KernelLock, all_locks, few_locks, hides_locks
from goldlock.linux import processes_below, shares_open_file
from goldlock.lockcalls import SUPERVISOR_NAME

_TRIES = 3
"""How often all is looked at until both sides tell the same, as locks come and go meanwhile."""

Key = tuple[object, ...]


class Found(NamedTuple):
    """A lock on a file, and who has it or waits for it: *pid* is 0 where that is not known."""

    pid: int
    fd: str
    path: str
    kernel: KernelLock


class Look:
    """The locks on the files at and below a path at one moment.

    held     who has them; without those who have them only as they were started so
    waiting  who waits for one
    name     returns what a process is called
    """

    held: list[Found]
    waiting: list[Found]
    name: Callable[[int], str]

    def __init__(self, top: str, likely: Collection[int] = ()) -> None:
        """Look, in a case at the processes that are *likely* to have locks first."""
        self.name = cache(process_facts.name)
        for _ in range(_TRIES):
            self.files = Files(top)
            if not (unknown := self._look(likely)):
                break
        self.held += [each._replace(pid=_owner(each.kernel)) for each in unknown]

    def keys(self) -> Counter[Key]:
        """Return what is equal as long as all locks are."""
        both = (*self.held, *self.waiting)
        return Counter((each.path, each.pid, each.kernel.key()) for each in both)

    def _look(self, likely: Collection[int]) -> list[Found]:
        """Ask processes and the kernel's table; return what is only in the table."""
        asked: set[int] = set()
        found: list[Found] = []
        unknown: list[Found] = []
        root = processes.root_of_case(self.files.top)
        lines = few_locks() if root else _all_lines(self.files)
        hidden = hides_locks()  # else the table says whether there is more than was found
        for pids in _stages(root, likely if lines is not None and not hidden else ()):
            new = set(pids) - asked
            asked |= new
            found += [each for pid in sorted(new) for each in self._held_by(pid)]
            self.held = [each for each in found if not _is_inherited(each, found)]
            listed = list(listed_on(self.files, lines or ()))  # now more of the files are known
            if lines is None:
                self.waiting = self._waiting(asked)
                return []
            self.waiting = self._named([each for each in listed if each.kernel.waiting], asked)
            if hidden:
                self.waiting += self._not_listed(asked)
            held = Counter(each.kernel.key() for each in self.held)
            held.subtract(each.kernel.key() for each in listed if not each.kernel.waiting)
            unknown = [each for each in listed if held[each.kernel.key()] < 0]
            if not (unknown or hidden) and all(each.pid for each in self.waiting):
                break
        return unknown

    def _held_by(self, pid: int) -> Iterator[Found]:
        """Yield the locks that a process has. A supervisor has a program's for a moment only."""
        for file in locked_files(pid):
            path = self.files.path_of(file)
            if path and self.name(pid) != SUPERVISOR_NAME:
                for lock in file.locks():
                    self.files.learn(lock.place, path)
                    yield Found(pid, file.fd, path, lock)

    def _waiting(self, pids: Iterable[int]) -> list[Found]:
        """Return what processes wait for, without the table unless there is no other way."""
        found, complete = self._asked_for(pids)
        if complete:
            return found
        lines = [line for line in all_locks()[0] if "->" in line]
        return self._named([*listed_on(self.files, lines)], pids)

    def _named(self, listed: list[Found], pids: Iterable[int]) -> list[Found]:
        """Return who waits; for an OFD lock the table does not tell, but perhaps the process."""
        known: list[Found] = []
        if any(each.pid <= 0 for each in listed):
            known, _ = self._asked_for(pids)
        for i, each in enumerate(listed):
            if each.pid <= 0:
                same = [one for one in known if _is_told(one, each)]
                listed[i] = same[0] if same else each._replace(pid=0)
                known = [one for one in known if one not in same[:1]]
        return listed

    def _not_listed(self, pids: Iterable[int]) -> list[Found]:
        """Return what processes wait for without a line in the table."""
        return [
            each
            for each in self._asked_for(pids)[0]
            if not any(one.pid == each.pid and _is_told(each, one) for one in self.waiting)
        ]

    def _asked_for(self, pids: Iterable[int]) -> tuple[list[Found], bool]:
        """Return what processes wait for, and whether that is all, as far as they tell."""
        found, complete = [], True
        for pid in pids:
            for task in process_facts.waiting_tasks(pid):
                try:
                    if (told := awaited(pid, task)) and (path := self.files.known_as(told[0])):
                        found.append(Found(pid, told[0].fd, path, told[1]))
                except (OSError, ValueError):
                    complete = False
        return found, complete


def listed_on(files: Files, lines: Iterable[str]) -> Iterator[Found]:
    """Yield the locks on files, of these lines of the kernel's table."""
    for line in lines:
        if path := files.path_at(line.rsplit(" ", 3)[1]):
            lock = KernelLock(line)
            yield Found(lock.pid, "", path, lock)


def _all_lines(files: Files) -> list[str]:
    """Return the lines of the kernel's table, read until it says the same of *files* twice.

    One that is not read at once may lack some, or have them twice, as locks of others come and go.
    """
    lines, at_once = all_locks()
    tries = 0 if at_once else _TRIES
    for _ in range(tries):
        before, (lines, _) = Counter(_keys(files, lines)), all_locks()
        if before == Counter(_keys(files, lines)):
            break
    return lines


def _keys(files: Files, lines: list[str]) -> Iterator[Key]:
    return (each.kernel.key() for each in listed_on(files, lines))


def _stages(root: int, likely: Collection[int]) -> Iterator[Iterable[int]]:
    """Yield processes to ask, those of a case below *root* first; more, if they are not enough."""
    if root:
        if likely:
            yield likely
        yield [root, *(pid for pid, _ in processes_below(root))]
    yield process_facts.all_pids()


def _is_inherited(one: Found, found: list[Found]) -> bool:
    """Tell whether a process has a lock only as it was started with the file open."""
    key = one.kernel.key()
    same = [each for each in found if each.pid != one.pid and each.kernel.key() == key]
    above = processes.ancestors(one.pid) if same else []
    return any(
        each.pid in above and shares_open_file((one.pid, one.fd), (each.pid, each.fd))
        for each in same
    )


def _is_told(one: Found, listed: Found) -> bool:
    """Tell whether what a process waits for is what the table has."""
    told = [(each.path, *each.kernel.wanted()) for each in (one, listed)]
    return told[0] == told[1]


def _owner(lock: KernelLock) -> int:
    """Return who has a lock that no process was found to have; 0 where that is not known.

    The table has for a flock who took it, who may have passed it on and ended since.
    """
    if lock.system == "FLOCK":
        try:
            os.listdir(f"/proc/{lock.pid}/fd")
        except PermissionError:
            return lock.pid
        except OSError:
            return 0
        return 0
    return max(lock.pid, 0)
