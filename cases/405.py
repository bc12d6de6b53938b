#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""A running QEMU that cannot unlock a byte warns, and goes on.

The warning is in the answer of the human monitor, on standard error for QMP. What could not
be unlocked stays locked until the file is closed, or the next attempt to unlock it.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import unnamed_warnings
from goldlock.kits.qemu.lock_faults import (
    add_nodes,
    image_name,
    name_errnos,
    reopen,
    show_calls,
    show_held,
)


def main(case: Case) -> None:
    name_errnos(case)
    case.monitor_output = compose(case.monitor_output, unnamed_warnings)
    case.make_image(case.image, "32M")
    closing_a_drive(case)
    reopening(case)
    deleting_a_node(case)
    snapshot(case)


def closing_a_drive(case: Case) -> None:
    """Unlocking stops at the byte that fails; closing the file unlocks the others."""
    case.section("Closing a drive")
    with case.holder() as qemu:
        qemu.qmp("qmp_capabilities")
        qemu.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)
        case.lock_calls()
        with case.faults(f"unlock uses write of {image_name(case)} fails with EIO"):
            qemu.hmp("drive_del d0")
        show_calls(case)
        show_held(case)
        qemu.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)


def reopening(case: Case) -> None:
    """The node is read-only, but others are told that it writes, until it unlocks at last."""
    case.section("Reopening a node read-only")
    read = ("-r", "-c", "read 0 512", case.image)
    with case.holder() as qemu:
        add_nodes(case, qemu)
        show_held(case)
        case.lock_calls()
        with case.faults(f"unlock uses write of {image_name(case)} fails with EIO"):
            reopen(case, qemu, read_only=True)
        show_calls(case)
        show_held(case)
        case.show_errors(case.qemu_io, *read)

        case.section("Reopening it again, and once more")
        case.lock_calls()
        reopen(case, qemu, read_only=False)
        reopen(case, qemu, read_only=True)
        show_calls(case)
        show_held(case)
        case.show_errors(case.qemu_io, *read)


def deleting_a_node(case: Case) -> None:
    case.section("Deleting a node, and its file after it")
    with case.holder() as qemu:
        add_nodes(case, qemu)
        case.lock_calls()
        with case.faults(f"unlock any byte of {image_name(case)} fails with EIO"):
            for node in ("fmt", "file"):
                qemu.qmp("blockdev-del", node_name=node)
                show_calls(case)
                show_held(case)


def snapshot(case: Case) -> None:
    """What was the active layer is reopened read-only: another file, and the old one is closed."""
    case.section("Taking a snapshot")
    overlay = f"{case.image}.overlay"
    case.make_image(overlay, backing=case.image)
    with case.holder("-drive", f"file={case.image},if=none,id=d0") as qemu:
        qemu.qmp("qmp_capabilities")
        show_held(case)
        case.lock_calls()
        with case.faults(f"unlock uses resize of {image_name(case)} fails with EIO"):
            qemu.qmp("blockdev-snapshot-sync", device="d0", snapshot_file=overlay, mode="existing")
        show_calls(case, "unlock")
        show_held(case)


run(main)
