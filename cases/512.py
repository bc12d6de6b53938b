#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-system ofd-locks orders
"""Two QEMUs add a drive to write and take it away, by their monitors, in every order.

An image has one writer; that it is given back, its monitor says, and so the locks are free.
"""

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import without_errno, without_error_prefix


def main(case: Case) -> None:
    case.monitor_output = compose(case.monitor_output, without_errno, without_error_prefix)
    case.make_image("t.qcow2", "32M")
    drive = "drive_add 0 if=none,id=d0,format=qcow2,file=t.qcow2"
    one = case.qmp_session(name="one", steps={"add1": drive, "del1": "drive_del d0"})
    other = case.qmp_session(name="other", steps={"add2": drive, "del2": "drive_del d0"})
    case.permutations(one, other)


run(main)
