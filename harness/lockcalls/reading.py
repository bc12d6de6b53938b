# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kind of call a notification is of."""

import fcntl
from functools import cache

from goldlock import linux
from goldlock.lockcalls import abi
from goldlock.lockcalls.calls import Call, FlockCall, LeaseCall, OtherCallError
from goldlock.lockcalls.file_numbers import FILE_NUMBERS
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.records import RecordCall
from goldlock.lockcalls.seccomp import Notification


def read_call(notification: Notification) -> Call:
    """Return what a call means; raise OSError, ValueError and OtherCallError as calls do."""
    number = notification.number
    if number & abi.X32_BIT and not _has_x32():
        raise OtherCallError
    if number in abi.FLOCK_NUMBERS.get(notification.arch, ()):
        return FlockCall(notification)
    if number in FILE_NUMBERS.get(notification.arch, ()):
        return FileCall(notification)
    if notification.args[1] & 0xFFFFFFFF == fcntl.F_SETLEASE:
        return LeaseCall(notification)
    return RecordCall(notification)


_GETPID = abi.X32_BIT | 39


@cache
def _has_x32() -> bool:
    """Return whether this kernel knows the ABI: where not, none of its calls does anything."""
    try:
        return linux.syscall(_GETPID) > 0
    except OSError:
        return False
