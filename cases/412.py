#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: quick lock
# formats: qcow2
# protocols: file
# needs: qemu-storage-daemon qemu-img qemu-io ofd-locks
"""The storage daemon locks what it opens as QEMU does, and lets go of what it closes."""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import image_info
from goldlock.kits.qemu.lock_faults import name_errnos, show_held


def main(case: Case) -> None:
    name_errnos(case)
    case.make_image(case.image, "32M")
    file = f"driver=file,node-name=file,filename={case.image}"
    with case.storage_daemon("--blockdev", file) as daemon:
        daemon.qmp("qmp_capabilities")

        case.section("A file that nobody uses")
        show_held(case)
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)

        case.section("An image that is open")
        daemon.qmp("blockdev-add", node_name="fmt", driver=case.imgfmt, file="file")
        show_held(case)
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)
        case.show_errors(
            case.qemu_io, "--image-opts", "-r", "-c", "read 0 512", case.image_opts(case.image)
        )
        info = case.qemu_img("info", "-U", case.image).stdout
        case.log(info, case.paths, case.format, image_info)

        case.section("An image that is closed")
        daemon.qmp("blockdev-del", node_name="fmt")
        show_held(case)
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)


run(main)
