#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks orders
"""Whatever the order of their lock calls: two readers, a reader and a writer, two writers.

Two readers never meet. With a writer, one is refused, or both are, or they come one after the
other; what was written by who said so is there.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_errno

READ = ("-r", "-c", "read -q 0 64k")
WRITE = ("-c", "write -q -P 7 0 64k")
WRITTEN = "qemu-io -r -c 'read -q -P 7 0 64k' t.qcow2"


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, without_errno)
    case.make_image("t.qcow2", "32M")
    reader = (case.qemu_io, *READ, "t.qcow2")
    writer = (case.qemu_io, *WRITE, "t.qcow2")

    case.section("Two readers")
    case.orders({"one": reader, "other": reader})

    case.section("A reader and a writer")
    case.orders({"reader": reader, "writer": writer}, outcome=WRITTEN)

    case.section("Two writers")
    case.orders({"one": writer, "other": writer}, outcome=WRITTEN)


run(main)
