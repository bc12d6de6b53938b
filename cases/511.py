#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks orders
"""Two qemu-io shells open an image, one to write and one to read, in every order of their steps.

Who comes second is refused at once, and does without. Once the first one has closed it, it is had.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_errno


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, without_errno)
    case.make_image("t.qcow2", "32M")
    writer = {"openw": "open t.qcow2", "write": "write -q -P 7 0 64k", "closew": "close"}
    reader = {"openr": "open -r t.qcow2", "read": "read -q -P 7 0 64k"}
    case.permutations(
        case.session(case.qemu_io, name="writer", prompt="qemu-io> ", steps=writer),
        case.session(case.qemu_io, name="reader", prompt="qemu-io> ", steps=reader),
    )


run(main)
