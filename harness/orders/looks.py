# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that look at a file by its name: stat(2), access(2), readlink(2), and their kin.

What a program does may follow from whether a file is there. Most such calls are about files of the
system, as programs are started; those are known from their path alone, and let through at once.
"""

# Asked at each such call of each program, where pathlib takes longer than the kernel:
# ruff: noqa: PTH115

import os

from goldlock.lockcalls.abi import names_by_number
from goldlock.lockcalls.copies import memory_of
from goldlock.lockcalls.file_names import AT_FDCWD
from goldlock.lockcalls.file_numbers import FILE_NUMBERS
from goldlock.lockcalls.files import Shape
from goldlock.lockcalls.seccomp import Notification
from goldlock.orders.names import Named

_NAMES = names_by_number(
    {  # those of x86_64, x32, aarch64, i386, arm; -1: it has none
        "stat": (4, 4, -1, 106, 106),
        "stat64": (-1, -1, -1, 195, 195),
        "lstat": (6, 6, -1, 107, 107),
        "lstat64": (-1, -1, -1, 196, 196),
        "newfstatat": (262, 262, 79, 300, 327),
        "statx": (332, 332, 291, 383, 397),
        "access": (21, 21, -1, 33, 33),
        "faccessat": (269, 269, 48, 307, 334),
        "faccessat2": (439, 439, 439, 439, 439),
        "readlink": (89, 89, -1, 85, 85),
        "readlinkat": (267, 267, 78, 305, 332),
    }
)
NUMBERS = {arch: tuple(names) for arch, names in _NAMES.items()}
"""The numbers of these calls, for each ABI."""

_IN_FOLDER = ("newfstatat", "statx", "faccessat", "faccessat2", "readlinkat")
_OPENS = {"open": (None, 0), "creat": (None, 0), "openat": (0, 1), "openat2": (0, 1)}


def _place(name: str) -> tuple[int | None, int]:
    """Return which arguments of a call are its folder, None for the current one, and its path."""
    return _OPENS.get(name) or ((0, 1) if name in _IN_FOLDER else (None, 0))


_PLACES = {
    arch: {
        number: _place(name)
        for number, name in {**FILE_NUMBERS[arch], **names}.items()
        if name in _OPENS or number in names
    }
    for arch, names in _NAMES.items()
}

_FLAGS_AT = {"newfstatat": 3, "statx": 2, "faccessat2": 3}
_AT_SYMLINK_NOFOLLOW = 0x100
_LONGEST_PATH = 4096
LAST = 2**63 - 1
"""The last byte that a file may have: all that makes it longer, or shorter, is about that, too."""


class Look(Named):
    """A call that asks what there is by a name."""

    def __init__(self, notification: Notification) -> None:
        self._system_call = _NAMES[notification.arch][notification.number]
        super().__init__(notification)
        place = _FLAGS_AT.get(self._system_call)
        nofollow = place is not None and self._args[place] & _AT_SYMLINK_NOFOLLOW
        self.follows = not (nofollow or self._system_call.startswith(("lstat", "readlink")))

    def _shape(self, name: str) -> Shape:  # noqa: ARG002 - it is none of those
        return "look at", (_place(self._system_call),)

    def foretell(self) -> str:
        try:
            return super().foretell()
        except FileNotFoundError:
            return "not there"

    def sees_from(self, *, reads: bool) -> int | None:
        if not reads:
            return 0
        return LAST if "stat" in self._system_call else None


def read(notification: Notification) -> Look | None:
    """Return a call that is one of these, None for any other; raise as calls do."""
    is_look = notification.number in _NAMES.get(notification.arch, ())
    return Look(notification) if is_look else None


def is_elsewhere(notification: Notification, folder: str) -> bool:
    """Return whether a call looks at, or opens, what is not below a folder, by its path.

    *folder* ends with a slash. Raises OSError when the process cannot be looked into.
    """
    place = _PLACES.get(notification.arch, {}).get(notification.number)
    if place is None:
        return False
    at, which = place
    text = memory_of(notification.tid, notification.args[which], _LONGEST_PATH)
    path = text.partition(b"\0")[0]
    if not path:  # it is about a descriptor
        return True
    fd = AT_FDCWD if at is None else notification.signed(at)
    base = "root" if path.startswith(b"/") else "cwd" if fd == AT_FDCWD else f"fd/{fd}"
    path = os.fsencode(os.readlink(f"/proc/{notification.tid}/{base}")) + b"/" + path
    whole = os.path.normpath(b"/" + path.lstrip(b"/"))
    return not whole.startswith((os.fsencode(folder), b"/proc/"))
