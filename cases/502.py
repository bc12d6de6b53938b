#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks orders
"""qemu-img create on an image that is there, and a writer: in some orders, data is lost.

This is what QEMU does since 6.0; 5.2 loses nothing, and has a golden of its own. `qemu-img create`
locks the image, truncates it, lets go of it, and opens it twice more. When a writer has it by then,
the creation fails, and qemu-img removes the image by its name, though the writer has it open. The
writer goes on, into a file without a name, and ends with exit status 0: its data is gone. The
golden has these outcomes, too; a QEMU that does better will differ here.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_errno


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, without_errno)
    case.make_image("t.qcow2", "32M")
    case.orders(
        {
            "creator": (case.qemu_img, "create", "-q", "-f", "qcow2", "t.qcow2", "64M"),
            "writer": (case.qemu_io, "-c", "write -q 0 64k", "t.qcow2"),
        },
        outcome="[ -e t.qcow2 ] && echo the image is there || echo THE IMAGE IS GONE",
    )


run(main)
