#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks faults
"""QEMU takes EINTR for the answer to a test, though it calls again to lock and to unlock.

Measured on QEMU 7.2; the cases of the openers show that EINTR is not seen elsewhere.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import attempt, image_name, name_errnos, show_calls

OPENERS = {
    "read-write": ((), ("test unshares write", "test uses write")),
    "read-only": (("-r",), ("test unshares consistent read", "test uses write")),
    "force-share": (("-r", "-U"), ("test unshares consistent read", "test uses write")),
}


def main(case: Case) -> None:
    name_errnos(case)
    case.make_image(case.image, "32M")
    for opener, (options, tests) in OPENERS.items():
        case.section(opener)
        read = (*options, "-c", "read 0 512", case.image)
        for test in tests:
            fault = f"{test} of {image_name(case)} fails with EINTR once"
            attempt(case, fault, case.qemu_io, *read)
            show_calls(case, "EINTR", after=1)
    if "embedded" in case.qemu_io("--version").stdout:
        case.log()
        case.not_run("the embedded programs call again, as Python does by itself")


run(main)
