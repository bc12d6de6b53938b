#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks orders
"""Whatever the order of their lock calls: resize and a writer, create and info.

A writer and who resizes are two writers: one is refused, or both are, or they come one after the
other. Who only looks, as info does, is refused, or finds the old image, the new one, or none yet:
the creation lets go of the file between its steps. In some orders the creation is refused by who
looks, and removes the image by its name: neither the old one nor the new one is there then.
"""

import re

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_errno

BYTES = "echo $(od -An -j24 -N8 -tu8 --endian=big t.qcow2 2>/dev/null) bytes"  # of its header
SIZE = f"if [ -e t.qcow2 ]; then {BYTES}; else echo no image; fi"


def only_size(text: str) -> str:
    """Leave out what info tells besides the size: more with each version."""
    return re.sub(r"^  (?!qemu-|Is another|virtual size).*\n", "", text, flags=re.M)


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, without_errno, only_size)
    case.make_image("t.qcow2", "32M")

    case.section("Resize and a writer")
    case.orders(
        {
            "resize": (case.qemu_img, "resize", "-q", "t.qcow2", "64M"),
            "writer": (case.qemu_io, "-c", "write -q -P 7 0 64k", "t.qcow2"),
        },
        outcome=SIZE,
    )

    case.section("Create and info")
    case.orders(
        {
            "creator": (case.qemu_img, "create", "-q", "-f", "qcow2", "t.qcow2", "64M"),
            "info": (case.qemu_img, "info", "t.qcow2"),
        },
        outcome=SIZE,
    )


run(main)
