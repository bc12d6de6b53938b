#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""A QEMU that has migrated lets go of its images, and must have the locks again to go on."""

from goldlock import Case, run
from lock_faults import held, image_name, name_errnos, show_calls


def story(case: Case) -> None:
    name_errnos(case)
    case.make_image(case.image, "32M")
    write = ("-c", "write 0 512", case.image)
    with case.holder("-drive", f"file={case.image},if=none,id=d0") as qemu:
        case.section("Migrating away")
        qemu.qmp("{ 'execute': 'qmp_capabilities' }")
        events = qemu.qmp("""{ 'execute': 'migrate-set-capabilities', 'arguments': {
            'capabilities': [ { 'capability': 'events', 'state': true } ] } }""")
        if "error" in events:
            case.not_run("this qemu-system does not migrate")
        case.log(f"held: {held(case)}")
        qemu.qmp("{ 'execute': 'migrate', 'arguments': { 'uri': 'exec:cat > /dev/null' } }")
        while qemu.event("MIGRATION")["data"]["status"] != "completed":
            pass
        case.log(f"held: {held(case)}")
        case.show(case.qemu_io, *write)

        case.section("Coming back")
        for call in ("lock uses write", "test unshares write"):
            case.lock_calls()
            with case.faults(f"{call} of {image_name(case)} fails with ENOLCK"):
                qemu.qmp("{ 'execute': 'cont' }")
            show_calls(case)
            case.log(f"held: {held(case)}")
        case.show(case.qemu_io, *write)
        qemu.qmp("{ 'execute': 'cont' }")
        case.log(f"held: {held(case)}")
        case.show(case.qemu_io, *write)


run(story)
