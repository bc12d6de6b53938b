# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kind of call a notification is of."""

import fcntl

from goldlock.lockcalls import abi
from goldlock.lockcalls.calls import Call, FlockCall, LeaseCall
from goldlock.lockcalls.file_numbers import FILE_NUMBERS
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.records import RecordCall
from goldlock.lockcalls.seccomp import Notification


def read_call(notification: Notification) -> Call:
    """Return what a call means; raise OSError, ValueError and OtherCallError as calls do."""
    number = notification.number
    if number in abi.FLOCK_NUMBERS.get(notification.arch, ()):
        return FlockCall(notification)
    if number in FILE_NUMBERS.get(notification.arch, ()):
        return FileCall(notification)
    if notification.args[1] & 0xFFFFFFFF == fcntl.F_SETLEASE:
        return LeaseCall(notification)
    return RecordCall(notification)
