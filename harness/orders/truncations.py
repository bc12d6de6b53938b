# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that cut a file off: (f)truncate(2), and open(2) with O_TRUNC; and who may see that."""

import errno
import os
import stat
from collections.abc import Callable, Iterator

from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64
from goldlock.lockcalls.calls import Call, LockCall, OtherCallError
from goldlock.lockcalls.file_names import Name, error_of
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, O_CREAT, O_TRUNC
from goldlock.lockcalls.files import FileCall, Shape
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders import effects
from goldlock.orders.data import DataCall, data_effect
from goldlock.orders.effects import Effect

_BY_DESCRIPTOR = {X86_64: (77, X32_BIT | 77), I386: (93, 194), AARCH64: (46,), ARM: (93, 194)}
_BY_PATH = {X86_64: (76, X32_BIT | 76), I386: (92, 193), AARCH64: (45,), ARM: (92, 193)}
NUMBERS = {arch: (*_BY_DESCRIPTOR[arch], *_BY_PATH[arch]) for arch in _BY_PATH}
"""The numbers of ftruncate and truncate, for each ABI, and of those of 64 bits."""

_OPENS = ("open", "openat", "openat2", "creat")


class Truncation(DataCall):
    """A call of ftruncate on a regular file that is open for writing."""

    call = "truncate"

    def __init__(self, notification: Notification, folder: str) -> None:
        """Read the call; OSError or OtherCallError where the kernel will refuse it."""
        super().__init__(notification, notification.fd, folder)
        if not self.may_write():
            raise OtherCallError


class Named(FileCall):
    """A call on a file by its name, that may leave names as they are."""

    makes_names = False
    cuts = False

    def foretell(self) -> str:
        if self.makes_names:
            return super().foretell()
        name = self.names[0]
        found = name.status(follow=True)
        if found is None:
            raise error_of(errno.ENOENT)
        if not self.cuts:
            return "ok"
        if stat.S_ISDIR(found.st_mode):
            raise error_of(errno.EISDIR)
        path = name.name or "."
        if self.sure and not os.access(path, os.W_OK, dir_fd=name.folder, effective_ids=True):
            raise error_of(errno.EACCES)
        return "ok"


class PathTruncation(Named):
    """A call of truncate."""

    cuts = True

    def _shape(self, name: str) -> Shape:  # noqa: ARG002 - it has one
        return "truncate", ((None, 0),)


class Opening(Named):
    """A call that opens a file, and may make it or cut it off."""

    def __init__(self, notification: Notification) -> None:
        super().__init__(notification)
        is_creat = FILE_NUMBERS[notification.arch][self.number] == "creat"
        self.makes_names = is_creat or bool(self._flags & O_CREAT)
        self.cuts = is_creat or bool(self._flags & O_TRUNC)

    def _correct_call(self, name: str) -> None:
        if name == "creat" or self._flags & O_CREAT:
            super()._correct_call(name)
        else:
            self.call = "truncate" if self._flags & O_TRUNC else "open"


def read(notification: Notification, folder: str) -> Call | None:
    """Return a call that may cut a file off, None for any other; raise as calls do."""
    number = notification.number
    if number in _BY_DESCRIPTOR.get(notification.arch, ()):
        return Truncation(notification, folder)
    if number in _BY_PATH.get(notification.arch, ()):
        return PathTruncation(notification)
    if FILE_NUMBERS.get(notification.arch, {}).get(number) in _OPENS:
        return Opening(notification)
    return None


def name_effects(call: FileCall, short: Callable[[str], str]) -> Iterator[Effect]:
    """Yield what a call does to names, as they are now: what opens a file that is there looks."""
    looks = isinstance(call, Named) and not (call.makes_names and _is_nothing(call.names[0]))
    for each in call.names:
        mode = effects.LOOK_READ if looks else effects.WRITE
        yield Effect(f"the name {short(each.path)}", 0, None, mode)


def _is_nothing(name: Name) -> bool:
    try:
        return name.status() is None
    except OSError:  # there is no such folder
        return False


def data_effects(
    call: Call, name: str, short: Callable[[str], str], *, reads: bool
) -> Iterator[Effect]:
    """Yield what a call does to the data of files: *name* is that of an open file.

    Unless *reads* are steps of their own, a program may read a file after it opened it, or made a
    lock call on it: what changes the data may come before that, or after it.
    """
    if isinstance(call, DataCall):
        yield from call.effects(name, short)
    elif isinstance(call, Named):
        if call.cuts or not reads:
            mode = effects.WRITE if call.cuts else effects.LOOK_READ
            yield data_effect(short(call.path()), mode)
    elif isinstance(call, FileCall) and call.call == "rename":
        for renamed in call.names:
            yield data_effect(short(renamed.path), effects.WRITE)
    elif isinstance(call, LockCall) and not reads:
        yield data_effect(name, effects.LOOK_READ)
