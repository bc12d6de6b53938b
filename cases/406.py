#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""A running QEMU that cannot lock refuses the command, and is as it was before.

The same command succeeds once locks can be had again.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_error_prefix
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
    case.monitor_output = compose(case.monitor_output, without_error_prefix)
    case.make_image(case.image, "32M")
    adding_a_node(case)
    adding_a_drive(case)
    reopening(case)
    exporting(case)


def adding_a_node(case: Case) -> None:
    case.section("Adding a node")
    file = {"driver": "file", "filename": case.image}
    with case.holder() as qemu:
        qemu.qmp("qmp_capabilities")
        for call in (
            "lock uses write",
            "lock unshares resize",
            "test unshares consistent read",
            "test uses resize",
        ):
            case.lock_calls()
            with case.faults(f"{call} of {image_name(case)} fails with ENOLCK"):
                qemu.qmp("blockdev-add", node_name="fmt", driver=case.imgfmt, file=file)
            show_calls(case, "unlock")
            show_held(case)
        qemu.qmp("blockdev-add", node_name="fmt", driver=case.imgfmt, file=file)
        show_held(case)


def adding_a_drive(case: Case) -> None:
    case.section("Adding a drive")
    with case.holder() as qemu:
        qemu.qmp("qmp_capabilities")
        with case.faults(f"lock unshares write of {image_name(case)} fails with ENOLCK"):
            qemu.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)
        qemu.hmp(f"drive_add 0 if=none,id=d0,file={case.image}")
        show_held(case)


def reopening(case: Case) -> None:
    """It stays read-only, with the locks of a reader, and lets other readers in."""
    case.section("Reopening a node read-write")
    with case.holder() as qemu:
        add_nodes(case, qemu)
        reopen(case, qemu, read_only=True)
        show_held(case)
        for fault in (
            "lock uses write of {} fails with ENOLCK",
            "lock uses resize of {} fails with ENOLCK",
            "test uses write of {} fails with ENOLCK",
        ):
            case.lock_calls()
            with case.faults(fault.format(image_name(case))):
                reopen(case, qemu, read_only=False)
            show_calls(case)
            show_held(case)
            case.show_errors(case.qemu_io, "-r", "-c", "read 0 512", case.image)
        reopen(case, qemu, read_only=False)
        show_held(case)


def exporting(case: Case) -> None:
    case.section("Exporting")
    with case.holder() as qemu:
        qemu.qmp("qmp_capabilities")
        qemu.qmp("blockdev-add", node_name="file", driver="file", filename=case.image)
        show_held(case)
        qemu.tight = True  # as in 182
        socket = {"path": f"{case.sock_dir}/nbd.socket"}
        qemu.qmp("nbd-server-start", addr={"type": "unix", "data": socket})
        case.lock_calls()
        with case.faults(f"lock uses write of {image_name(case)} fails with ENOLCK"):
            qemu.qmp("nbd-server-add", device="file", writable=True)
        show_calls(case)
        show_held(case)
        qemu.qmp("nbd-server-add", device="file", writable=True)
        show_calls(case)
        show_held(case)


run(main)
