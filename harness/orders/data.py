# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that read and write the data of open files: which bytes of which file."""

# Asked at each such call of each program, where pathlib takes longer than the kernel:
# ruff: noqa: PTH115, PTH116, PTH123

import os
import stat
import struct
from collections.abc import Callable, Iterator

from goldlock.lockcalls.abi import AARCH64, X32_BIT, X86_64, names_by_number
from goldlock.lockcalls.calls import Call, OtherCallError
from goldlock.lockcalls.copies import memory_of, process_of
from goldlock.lockcalls.seccomp import Notification
from goldlock.lockcalls.words import quote, range_text
from goldlock.orders import effects
from goldlock.orders.effects import Effect

_NAMES = names_by_number(
    {
        "read": (0, 0, 63, 3, 3),
        "write": (1, 1, 64, 4, 4),
        "pread64": (17, 17, 67, 180, 180),
        "pwrite64": (18, 18, 68, 181, 181),
        "readv": (19, 515, 65, 145, 145),
        "writev": (20, 516, 66, 146, 146),
        "preadv": (295, 534, 69, 333, 361),
        "pwritev": (296, 535, 70, 334, 362),
        "preadv2": (327, 546, 286, 378, 392),
        "pwritev2": (328, 547, 287, 379, 393),
        "fsync": (74, 74, 82, 118, 118),
        "fdatasync": (75, 75, 83, 148, 148),
        "fallocate": (285, 285, 47, 324, 352),
        "sendfile": (40, 40, 71, 187, 187),
        "sendfile64": (-1, -1, -1, 239, 239),
        "copy_file_range": (326, 326, 285, 377, 391),
    }
)
NUMBERS = {arch: tuple(names) for arch, names in _NAMES.items()}
"""The numbers of these calls, for each ABI."""

_POSITION = {"pread64": 3, "pwrite64": 3, "preadv": 3, "pwritev": 3, "preadv2": 3, "pwritev2": 3}
"""Which argument says where in the file; others go on from where the descriptor is."""
_BLOCK = struct.Struct("@PN")  # struct iovec
_MOST_BLOCKS = 1024  # IOV_MAX
_RWF_APPEND = 0x10
_KEEP_SIZE, _MOVES = 0x01, 0x28  # FALLOC_FL_*; those that move what comes behind


class DataCall(Call):
    """A call about the data of a regular file that is open."""

    system = "file"
    kind = ""
    waits = False

    def __init__(self, notification: Notification, fd: int, folder: str) -> None:
        """Find the file; OSError or OtherCallError where it is not a file below *folder*."""
        self.tid = notification.tid
        self.number = notification.number
        self._link = f"/proc/{self.tid}/fd/{fd}"
        self._path = os.readlink(self._link)
        if not self._path.startswith(folder):
            raise OtherCallError
        self.status = os.stat(self._link)
        if not stat.S_ISREG(self.status.st_mode):
            raise OtherCallError
        self.file = (self.status.st_dev, self.status.st_ino)
        self.pid = process_of(self.tid)

    def may_write(self) -> bool:
        """Return whether the file is open for writing, see proc(5)."""
        return bool(os.lstat(self._link).st_mode & stat.S_IWUSR)

    def path(self) -> str:
        return self._path

    def foretell(self) -> str:
        return "ok"

    def text(self, name: str) -> str:
        """Return the call in words."""
        return f"{self.call} {quote(name)}"

    def touched(self) -> Iterator[tuple[int, int | None, str]]:
        """Yield first and last bytes, as they are now, and what is done to them, as in effects."""
        yield 0, None, effects.WRITE

    def effects(self, name: str, short: Callable[[str], str]) -> Iterator[Effect]:
        """Yield what is done to the data of the file: by *name*, and what it is called now."""
        for first, last, mode in self.touched():
            for each in sorted({name, short(self.path())}):  # it may have been renamed
                yield data_effect(each, mode, first, last)


def data_effect(name: str, mode: str, first: int = 0, last: int | None = None) -> Effect:
    """Return what is done to data of the file *name*."""
    return Effect(f"the data of {name}", first, last, mode, is_lock=False)


class Access(DataCall):
    """A call that reads or writes, or has what was written reach the disk.

    Of programs of other ABIs than that of 64 bits, only the file is told, and not the range.
    """

    def __init__(self, notification: Notification, name: str, folder: str) -> None:
        super().__init__(notification, notification.fd, folder)
        self._args = notification.args
        self._name = name
        is_exact = notification.arch in (X86_64, AARCH64) and not self.number & X32_BIT
        self.call = "read" if "read" in name else "write" if "write" in name else name
        self._appends = False
        self._range = self._read_range() if is_exact else (0, None)

    def _read_range(self) -> tuple[int, int | None]:
        if self._name == "fallocate":
            first, length = self._args[2:4]
            return first, None if self._args[1] & _MOVES else first + length - 1
        first = self._position()
        size = self._size() if self._name.rstrip("2").endswith("v") else self._args[2]
        return first, first + size - 1

    def _position(self) -> int:
        with open(f"/proc/{self.tid}/fdinfo/{self._link.rpartition('/')[2]}", "rb") as info:
            where, flags = info.readline(), info.readline()
        is_append = int(flags.split()[1], 8) & os.O_APPEND
        is_append |= self._name == "pwritev2" and self._args[5] & _RWF_APPEND
        self._appends = self.call == "write" and bool(is_append)
        given = self._args[_POSITION[self._name]] if self._name in _POSITION else 1 << 63
        return given if given < 1 << 63 else int(where.split()[1])

    def _size(self) -> int:
        """Return how many bytes there are in the list of blocks that the call is about."""
        wanted = _BLOCK.size * min(self._args[2], _MOST_BLOCKS)
        blocks = memory_of(self.tid, self._args[1], wanted)
        return sum(size for _, size in _BLOCK.iter_unpack(blocks[: len(blocks) // 16 * 16]))

    def text(self, name: str) -> str:
        if self.call not in ("read", "write", "fallocate"):
            return super().text(name)
        if self._appends:
            return f"append to {quote(name)}"
        return f"{self.call} {range_text(*self._range)} of {quote(name)}"

    def touched(self) -> Iterator[tuple[int, int | None, str]]:
        if self.call not in ("read", "write", "fallocate"):
            return
        first, last = self._range
        if self.call == "read":
            if last is None or first <= last:
                yield first, last, effects.LOOK_READ
            return
        size = os.stat(self._link).st_size
        if not self._appends and (last is None or first <= last):
            yield first, last, effects.WRITE
        keeps = self._name == "fallocate" and self._args[1] & _KEEP_SIZE
        if self._appends or (last is not None and last >= size and not keeps):
            yield size, None, effects.WRITE  # where a read ends, there may be more now


class Copy(DataCall):
    """A call that copies from one file to another, by sendfile(2) or copy_file_range(2)."""

    def __init__(self, notification: Notification, name: str, folder: str) -> None:
        """Read the call; OtherCallError where neither file is below *folder*."""
        source, target = (1, 0) if name.startswith("sendfile") else (0, 2)
        self._ends: dict[str, DataCall] = {}
        for mode, place in ((effects.LOOK_READ, source), (effects.WRITE, target)):
            try:
                self._ends[mode] = DataCall(notification, notification.signed(place), folder)
            except (OSError, OtherCallError):
                continue
        if not self._ends:
            raise OtherCallError
        place = target if effects.WRITE in self._ends else source
        super().__init__(notification, notification.signed(place), folder)
        self.call = "copy to" if place == target else "copy from"

    def touched(self) -> Iterator[tuple[int, int | None, str]]:
        yield 0, None, effects.WRITE if self.call == "copy to" else effects.LOOK_READ

    def effects(self, name: str, short: Callable[[str], str]) -> Iterator[Effect]:
        for mode, end in self._ends.items():
            yield data_effect(short(end.path()), mode)
        yield from super().effects(name, short)


def read(notification: Notification, folder: str) -> DataCall | None:
    """Return a call that is one of these, None for any other; raise as calls do."""
    name = _NAMES.get(notification.arch, {}).get(notification.number)
    if name is None:
        return None
    if name.startswith(("sendfile", "copy_file")):
        return Copy(notification, name, folder)
    return Access(notification, name, folder)
