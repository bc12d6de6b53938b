#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Where the system has no locks of open files (OFD), QEMU takes POSIX locks, or none at all.

It asks for a lock on /dev/null to find out. With locking=auto, which is what it does if it
is not told otherwise, it says nothing, and the image is open to everybody.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import held, name_errnos, show_calls


def main(case: Case) -> None:
    name_errnos(case)
    case.make_image(case.image, "32M")
    file = f"driver=file,node-name=file,filename={case.image}"
    nodes = ("-blockdev", f"driver={case.imgfmt},node-name=fmt,file=file")
    for locking in ("on", "auto", "off"):
        without_ofd(case, "-blockdev", f"{file},locking={locking}", *nodes)

    # A -drive that writes opens its file a second time when it has locked it already, and
    # closes the first: all POSIX locks of a process are gone when it closes any descriptor.
    without_ofd(case, "-drive", f"if=none,file={case.image},file.locking=on")
    without_ofd(case, "-drive", f"if=none,file={case.image},file.locking=on,read-only=on")


def without_ofd(case: Case, *options: str) -> None:
    case.section(" ".join(options))
    case.lock_calls()
    with case.faults("probe fails with EINVAL may miss") as probe:
        case.show_contender_errors(*options)
    case.log(f"probes that failed: {probe.hits}")
    show_calls(case)

    with case.faults("probe fails with EINVAL may miss"):
        holder = case.holder(*options)
    with holder:
        case.log(f"held while it runs: {held(case)}")
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)  # this one has OFD locks


run(main)
