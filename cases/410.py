#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""A fault beside a holder: the first call that fails decides what is said, fault or conflict.

Whatever becomes of a contender, the holder keeps its locks. What the holder could not lock
is the contender's to take.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_error_prefix
from goldlock.kits.qemu.lock_faults import attempt, image_name, name_errnos, show_held


def main(case: Case) -> None:
    name_errnos(case)
    case.monitor_output = compose(case.monitor_output, without_error_prefix)
    case.make_image(case.image, "32M")
    read = (case.qemu_io, "-c", "read 0 512", case.image)
    with case.holder() as holder:
        holder.qmp("qmp_capabilities")

        case.section("A fault in the holder: it has nothing")
        with case.faults(f"test uses resize of {image_name(case)} fails with ENOLCK"):
            holder.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)
        case.show_errors(*read)

        case.section("No fault: a conflict")
        holder.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)
        case.show_errors(*read)

        # It locks, and then asks for 200, 201 (where the conflict is), 203, 101, 103.
        case.section("A fault in the contender")
        for call in (
            "lock uses resize",
            "lock unshares write",
            "test unshares consistent read",
            "test unshares write",
            "test unshares resize",
            "test uses write",
            "unlock uses write",
        ):
            attempt(case, f"{call} of {image_name(case)} fails with ENOLCK", *read)

        case.section("A fault in the holder that closes the image")
        with case.faults(f"unlock uses write of {image_name(case)} fails with ENOLCK"):
            holder.hmp("drive_del d0")
        show_held(case)
        case.show_errors(*read)


run(main)
