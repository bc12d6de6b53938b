#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Every lock call of an opener with force-share fails, with every errno that fcntl has for it.

It reads, and forbids others nothing: so it comes to three of the six places. A fault in the
calls of the other three falls on nobody.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import fail_each_call, fail_each_call_elsewhere

SITES = (
    "lock uses consistent read",
    "lock unshares write",  # not made
    "unlock uses consistent read",
    "unlock unshares write",  # not made
    "test unshares consistent read",  # Failed to get "consistent read" lock
    "test uses write",  # not made
)


def main(case: Case) -> None:
    fail_each_call(case, SITES, "-r", "-U")
    drive = f"if=none,file={case.image},read-only=on,force-share=on"
    fail_each_call_elsewhere(case, SITES, ("map", "-U", case.image), drive)


run(main)
