#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Every lock call of a read-only opener fails, with every errno that fcntl has for it.

A read-only opener reads, and forbids others to write: so it comes to all six places, too.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import fail_each_call, fail_each_call_elsewhere

SITES = (
    "lock uses consistent read",
    "lock unshares write",
    "unlock uses consistent read",
    "unlock unshares write",
    "test unshares consistent read",  # Failed to get "consistent read" lock
    "test uses write",  # Failed to get shared "write" lock
)


def main(case: Case) -> None:
    fail_each_call(case, SITES, "-r")
    drive = f"if=none,file={case.image},read-only=on"
    fail_each_call_elsewhere(case, SITES, ("map", case.image), drive)


run(main)
