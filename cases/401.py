#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Every lock call of a read-write opener fails, with every errno that fcntl has for it.

There are six places where QEMU can fail over a lock. Each one names the errno, but for
the elided policy, which keeps EAGAIN and EACCES to itself when locking and testing.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import fail_each_call, fail_each_call_elsewhere

SITES = (
    "lock uses write",  # Failed to lock byte 101
    "lock unshares write",  # Failed to lock byte 201
    "unlock uses write",  # Failed to unlock byte 101: a warning
    "unlock unshares write",  # Failed to unlock byte 201
    "test unshares write",  # Failed to get "write" lock: somebody else forbids to write
    "test uses write",  # Failed to get shared "write" lock: somebody else writes
)


def main(case: Case) -> None:
    fail_each_call(case, SITES)
    fail_each_call_elsewhere(
        case, SITES, ("bench", "-w", "-c", "1", case.image), f"if=none,file={case.image}"
    )


run(main)
