# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that cut a file off: (f)truncate(2), and open(2) with O_TRUNC."""

from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64
from goldlock.lockcalls.calls import Call, OtherCallError
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, O_CREAT, O_EXCL, O_TRUNC
from goldlock.lockcalls.files import Shape
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders.data import DataCall
from goldlock.orders.names import Named

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
        self.follows = not (self.makes_names and self._flags & O_EXCL)

    def _correct_call(self, name: str, arch: int) -> None:
        if name == "creat" or self._flags & O_CREAT:
            super()._correct_call(name, arch)
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
