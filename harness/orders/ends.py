# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that let go of locks without a word of locks: exit_group(2), close(2), and dup2(2)."""

# Asked at each close of each program, where pathlib takes longer than the kernel:
# ruff: noqa: PTH115, PTH116, PTH208

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

from goldlock.kernel_locks import KernelLock
from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64
from goldlock.lockcalls.calls import Call, OtherCallError
from goldlock.lockcalls.copies import process_of
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders import effects
from goldlock.orders.effects import Effect

EXITS = {X86_64: (231, X32_BIT | 231), I386: (252,), AARCH64: (94,), ARM: (248,)}
"""The numbers of exit_group, for each ABI."""
_CLOSES = {X86_64: (3, X32_BIT | 3), I386: (6,), AARCH64: (57,), ARM: (6,)}
_DUPS = {
    X86_64: (33, 292, X32_BIT | 33, X32_BIT | 292),
    I386: (63, 330),
    AARCH64: (24,),
    ARM: (63, 358),
}
"""The numbers of dup2 and dup3, which close the descriptor that they give another file."""
NUMBERS = {arch: (*EXITS[arch], *_CLOSES[arch], *_DUPS[arch]) for arch in EXITS}
"""The numbers of all these, for each ABI."""


_LARGEST = 2**63 - 1
_MOST = 65536


class EndCall(Call):
    """The end of a process, "exit", or "close" of a file on which it has a lock, also by dup2."""

    system = ""
    kind = "unlock"
    waits = False

    def __init__(self, notification: Notification) -> None:
        """Read the call; OSError when the process is gone, OtherCallError if it closes nothing."""
        self.tid = notification.tid
        self.number = notification.number
        self.pid = process_of(self.tid)
        self.call = "exit" if self.number in EXITS.get(notification.arch, ()) else "close"
        self.program_fd = notification.fd if self.call == "close" else -1
        if self.number in _DUPS.get(notification.arch, ()):
            self.program_fd = notification.signed(1)
            os.readlink(f"/proc/{self.pid}/fd/{notification.fd}")  # which must be there
            if self.program_fd == notification.fd:
                raise OtherCallError
        self.file = (0, 0)

    def path(self) -> str:
        return os.readlink(f"/proc/{self.pid}/fd/{self.program_fd}")


def is_end(notification: Notification) -> bool:
    """Return whether a call is one of these."""
    return notification.number in NUMBERS.get(notification.arch, ())


class _Through:
    """A descriptor by which a program has locks on a file: those that there were last."""

    __slots__ = ("file", "info", "locks", "name", "text")

    def __init__(self, pid: int, fd: int, name: str, file: tuple[int, int]) -> None:
        self.info = -1
        with suppress(OSError):  # it is gone
            self.info = os.open(f"/proc/{pid}/fdinfo/{fd}", os.O_RDONLY)
        self.name = name
        self.file = file
        self.text = b""
        self.locks: list[KernelLock] = []

    def close(self) -> None:
        if self.info >= 0:
            os.close(self.info)


class Holdings:
    """What a program, all of its processes included, has locked. close() it."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        """Begin with none; *processes* returns those of the program."""
        self._processes = processes
        self._through: dict[tuple[int, int], _Through] = {}

    def note(self, pid: int, fd: int, name: str, file: tuple[int, int]) -> None:
        """Note that a process is about to lock a file, which has a name, by a descriptor."""
        if (pid, fd) not in self._through:
            self._through[pid, fd] = _Through(pid, fd, name, file)

    def close(self) -> None:
        """Let go of the files in which the kernel tells of locks."""
        for through in self._through.values():
            through.close()
        self._through.clear()

    def any(self) -> bool:
        """Return whether the program may have locks."""
        return bool(self._through)

    def lets_go(self, call: EndCall) -> bool:
        """Return whether a call is by a process that has locks, and takes one away."""
        files = {each.file for each in self._through.values()}
        if not files:
            return False
        if call.call == "exit":
            return any(locks for _, _, locks in self._by_descriptor(call.pid, files))
        if locks_through(call.pid, call.program_fd):
            return True
        own = [each.file for (pid, _), each in self._through.items() if pid == call.pid]
        try:  # close of any descriptor takes the POSIX locks of a process away
            status = os.stat(f"/proc/{call.pid}/fd/{call.program_fd}")
        except OSError:
            return False
        return (status.st_dev, status.st_ino) in own and any(
            lock.system == "POSIX" for lock in self._locks_of(call.pid)
        )

    def _locks_of(self, pid: int) -> list[KernelLock]:
        return [
            lock
            for process, fd in self._through
            if process == pid
            for lock in locks_through(pid, fd)
        ]

    @staticmethod
    def _by_descriptor(
        pid: int, files: set[tuple[int, int]]
    ) -> Iterator[tuple[int, tuple[int, int], list[KernelLock]]]:
        """Yield descriptors of a process that lead to one of some files, and the locks by them."""
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{name}")
                    file = (status.st_dev, status.st_ino)
                    if file in files:
                        yield int(name), file, locks_through(pid, int(name))

    def ends(self) -> tuple[Effect, ...]:
        """Return which locks are gone since this was last asked."""
        gone: list[Effect] = []
        for key, through in list(self._through.items()):
            text, before = _text(through.info), through.locks
            if text and text == through.text:
                continue
            through.text, through.locks = text, _locks_in(text)
            now = through.locks
            if not now:
                through.close()
                del self._through[key]
                if before and self._moved(through, before):
                    continue
            for lock in before:
                if lock in now:
                    continue
                gone += [_end(through.name, lock, *span) for span in _lost(lock, now)]
        return tuple(gone)

    def held(self) -> Iterator[tuple[str, KernelLock]]:
        """Yield the locks that there were when `ends` was last asked, with names of files."""
        for through in self._through.values():
            for lock in through.locks:
                yield through.name, lock

    def _moved(self, through: _Through, lost: list[KernelLock]) -> bool:
        """Return whether another process of the program has the same open file still."""
        if lost[0].system == "POSIX":
            return False
        for pid in self._processes():
            for fd, file, locks in self._by_descriptor(pid, {through.file}):
                if {lock.key() for lock in lost} <= {lock.key() for lock in locks}:
                    self.note(pid, fd, through.name, file)
                    self._through[pid, fd].locks = locks
                    return True
        return False


def _lost(lock: KernelLock, now: list[KernelLock]) -> list[tuple[int, int | None]]:
    """Return which parts of a lock are in none of those that there are *now*.

    The kernel makes one lock of two that are side by side, and two of one.
    """
    parts = [(lock.first, _LARGEST if lock.last is None else lock.last)]
    for other in now:
        if (other.system, other.exclusive) == (lock.system, lock.exclusive):
            last = _LARGEST if other.last is None else other.last
            parts = [
                (max(start, first), min(stop, end))
                for first, end in parts
                for start, stop in ((first, other.first - 1), (last + 1, end))
                if max(start, first) <= min(stop, end)
            ]
    return [(first, None if last == _LARGEST else last) for first, last in parts]


def _end(name: str, lock: KernelLock, first: int, last: int | None) -> Effect:
    mode = effects.END_WRITE if lock.exclusive else effects.END_READ
    return Effect(space(name, lock.system == "FLOCK"), first, last, mode)


def space(name: str, flock: bool) -> str:
    """Return the name of a file among its kind of locks: flock(2) does not meet the others."""
    return f"flock of {name}" if flock else name


def locks_through(pid: int, fd: int) -> list[KernelLock]:
    """Return the locks that a process has by a descriptor; none when it is gone.

    As `kernel_locks.locks_of_descriptor`, in a third of the time: this is asked at each step.
    """
    try:
        info = os.open(f"/proc/{pid}/fdinfo/{fd}", os.O_RDONLY)
    except OSError:
        return []
    try:
        return _locks_in(_text(info))
    finally:
        os.close(info)


def _text(info: int) -> bytes:
    """Return what an open file of /proc tells now; nothing when its process is gone."""
    try:
        text = os.pread(info, _MOST, 0)
        while len(text) % _MOST == 0 and (more := os.pread(info, _MOST, len(text))):
            text += more
    except OSError:
        return b""
    return text


def _locks_in(text: bytes) -> list[KernelLock]:
    if b"lock:" not in text:
        return []
    lines = text.decode("ascii").splitlines()
    return [_lock(line.split(":", 2)[2]) for line in lines if line.startswith("lock:")]


_lock = lru_cache(1000)(KernelLock)
"""The same object for the same line."""
