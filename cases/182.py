#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: rw quick lock
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img ofd-locks
"""Image locking across a reopen, and after the image is gone.

This retells test 182 of QEMU's qemu-iotests, which is Copyright (C) Red Hat, Inc., and
GPL-2.0-or-later, as are this case and its goldens.
"""

from pathlib import Path

from goldlock.kits.qemu import Case, run

SIZE = "32M"


def main(case: Case) -> None:
    case.log("QA output created by 182")
    case.make_image(case.image, SIZE)
    second_qemu(case)
    reopen(case)
    image_is_gone(case)
    case.log("*** done")


def second_qemu(case: Case) -> None:
    guest = (
        "-drive",
        f"file={case.image},if=none,id=drive0,file.locking=on",
        "-device",
        "virtio-blk,drive=drive0",
    )
    case.log("Starting QEMU")
    with case.holder(*guest, machine=""):
        case.log("\nStarting a second QEMU using the same image should fail")
        case.show_contender_errors(*guest, machine="")


def reopen(case: Case) -> None:
    """A reopen must not unshare what was shared: it once shared exactly the opposite."""
    image = case.image
    case.section("Testing reopen", "major")
    with case.holder() as holder:
        holder.tight = True
        holder.qmp("qmp_capabilities")

        # A bare file node without a user: all permissions stay shared.
        holder.qmp("blockdev-add", node_name="node0", driver="file", filename=image, locking="on")

        # The snapshot reopens node0 read-only; all must still be shared.
        holder.qmp(
            "blockdev-snapshot-sync",
            node_name="node0",
            snapshot_file=f"{image}.overlay",
            snapshot_node_name="node1",
        )

        # Takes no permission and unshares none, so it goes with node0.
        holder.qmp("blockdev-add", node_name="node1", driver="file", filename=image, locking="on")

        # The export writes and reads node1: this fails if the reopen unshared any of that.
        socket = {"path": f"{case.sock_dir}/nbd.socket"}
        holder.qmp("nbd-server-start", addr={"type": "unix", "data": socket})
        holder.qmp("nbd-server-add", device="node1")


def image_is_gone(case: Case) -> None:
    """QEMU cannot drop its locks on a file that is gone; it must quit all the same."""
    case.section("Testing failure to loosen restrictions", "major")
    with case.holder("-drive", f"file={case.image},if=none,file.locking=on") as holder:
        holder.tight = True
        holder.qmp("qmp_capabilities")
        Path(case.image).unlink()
        holder.qmp("quit")
        holder.wait()


run(main)
