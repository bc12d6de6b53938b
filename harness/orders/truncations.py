# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that cut a file off: ftruncate(2), and open(2) with O_TRUNC; and who may see that."""

# Asked at each such call of each program, where pathlib takes longer than the kernel:
# ruff: noqa: PTH115, PTH116

import errno
import os
import stat
from collections.abc import Callable, Iterator

from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64
from goldlock.lockcalls.calls import Call, LockCall, OtherCallError, process_of
from goldlock.lockcalls.file_names import error_of
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, O_CREAT, O_TRUNC
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders import effects
from goldlock.orders.effects import Effect

NUMBERS = {X86_64: (77, X32_BIT | 77), I386: (93, 194), AARCH64: (46,), ARM: (93, 194)}
"""The numbers of ftruncate, for each ABI, and of ftruncate64."""

_OPENS = ("open", "openat", "openat2", "creat")


class Truncation(Call):
    """A call of ftruncate on a regular file that is open for writing."""

    system = "file"
    kind = ""
    waits = False
    call = "truncate"

    def __init__(self, notification: Notification) -> None:
        """Read the call; OSError or OtherCallError where the kernel will refuse it."""
        self.tid = notification.tid
        self.number = notification.number
        self.pid = process_of(self.tid)
        link = f"/proc/{self.pid}/fd/{notification.fd}"
        status = os.stat(link)
        may_write = os.lstat(link).st_mode & stat.S_IWUSR  # as it was opened, see proc(5)
        if not (stat.S_ISREG(status.st_mode) and may_write):
            raise OtherCallError
        self.file = (status.st_dev, status.st_ino)
        self._path = os.readlink(link)

    def path(self) -> str:
        return self._path

    def foretell(self) -> str:
        return "ok"


class Opening(FileCall):
    """A call that opens a file by its name, and makes it or cuts it off."""

    def __init__(self, notification: Notification) -> None:
        super().__init__(notification)
        is_creat = FILE_NUMBERS[notification.arch][self.number] == "creat"
        self.truncates = is_creat or bool(self._flags & O_TRUNC)

    def _correct_call(self, name: str) -> None:
        if name != "creat" and self._flags & O_TRUNC and not self._flags & O_CREAT:
            self.call = "truncate"
        else:
            super()._correct_call(name)

    def foretell(self) -> str:
        if self.call != "truncate":
            return super().foretell()
        name = self.names[0]
        found = name.status(follow=True)
        if found is None:
            raise error_of(errno.ENOENT)
        if stat.S_ISDIR(found.st_mode):
            raise error_of(errno.EISDIR)
        path = name.name or "."
        if self.sure and not os.access(path, os.W_OK, dir_fd=name.folder, effective_ids=True):
            raise error_of(errno.EACCES)
        return "ok"


def read(notification: Notification) -> Call | None:
    """Return a call that may cut a file off, None for any other; raise as calls do."""
    if notification.number in NUMBERS.get(notification.arch, ()):
        return Truncation(notification)
    if FILE_NUMBERS.get(notification.arch, {}).get(notification.number) in _OPENS:
        return Opening(notification)
    return None


def data_effects(call: Call, name: str, short: Callable[[str], str]) -> Iterator[Effect]:
    """Yield what a call does to the data of files: *name* is that of an open file.

    A program may read a file after it opened it, or made a lock call on it: what cuts it off may
    come before that, or after it.
    """
    if isinstance(call, Truncation):
        for each in sorted({name, short(call.path())}):  # it may have been renamed
            yield _data(each, effects.WRITE)
    elif isinstance(call, Opening):
        mode = effects.WRITE if call.truncates else effects.LOOK_READ
        yield _data(short(call.path()), mode)
    elif isinstance(call, FileCall) and call.call == "rename":
        for renamed in call.names:
            yield _data(short(renamed.path), effects.WRITE)
    elif isinstance(call, LockCall):
        yield _data(name, effects.LOOK_READ)


def _data(name: str, mode: str) -> Effect:
    return Effect(f"the data of {name}", 0, None, mode)
