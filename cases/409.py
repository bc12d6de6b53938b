#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""A QEMU that has migrated lets go of its images, and must have the locks again to go on."""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import errors_said_once, without_device_phase
from goldlock.kits.qemu.lock_faults import image_name, name_errnos, show_calls, show_held


def main(case: Case) -> None:
    name_errnos(case)
    case.monitor_output = compose(case.monitor_output, errors_said_once, without_device_phase)
    case.make_image(case.image, "32M")
    write = ("-c", "write 0 512", case.image)
    with case.holder("-drive", f"file={case.image},if=none,id=d0") as qemu:
        case.section("Migrating away")
        qemu.qmp("qmp_capabilities")
        events = [{"capability": "events", "state": True}]
        answer = qemu.qmp("migrate-set-capabilities", capabilities=events)
        if "error" in answer:
            case.not_run("this qemu-system does not migrate")
        show_held(case)
        qemu.qmp("migrate", uri="exec:cat > /dev/null")
        while qemu.event("MIGRATION")["data"]["status"] != "completed":
            pass
        qemu.has_command("cont")  # answered once all that ends the migration is done
        case.wait_for(unlocked=case.image, byte=203)  # the last: 5.2 may still be at it
        show_held(case)
        case.show_errors(case.qemu_io, *write)

        case.section("Coming back")
        for call in ("lock uses write", "test unshares write"):
            case.lock_calls()
            with case.faults(f"{call} of {image_name(case)} fails with ENOLCK"):
                qemu.qmp("cont")
            show_calls(case)
            show_held(case)
        case.show_errors(case.qemu_io, *write)
        qemu.qmp("cont")
        show_held(case)
        case.show_errors(case.qemu_io, *write)


run(main)
