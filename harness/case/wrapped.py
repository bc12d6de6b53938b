# SPDX-License-Identifier: GPL-2.0-or-later
"""End a program below another one that was put before it, such as strace or gdbserver.

Killed itself, strace leaves its program running, with all its locks.
"""

from goldlock.inspect import processes

GRACE = 2.0
"""Seconds that the command before a program has to notice its end, and to finish its log."""


def kill_descendants(pid: int) -> None:
    """Kill all processes below *pid*, and wait for their end; then for that of *pid*, a while.

    The process itself stays to be reaped, and is still there if it did not end.
    """
    below = processes.descendants(pid)
    for each in below:
        processes.kill(each)
    if below:
        processes.wait_for_exit(pid, GRACE)
