#!/usr/bin/env python3
# group: lock faults quick
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Every lock call of an opener with force-share fails, with every errno that fcntl has for it.

It reads, and forbids others nothing: it comes to three of the six places, and a fault in
the calls of the other three falls on nobody.
"""

from lock_faults import attempt, image_name, opener, others

from harness.case import Case, run

SITES = (
    "lock uses consistent read",
    "unlock uses consistent read",
    "test unshares consistent read",  # Failed to get "consistent read" lock
)
NEVER = ("lock unshares write", "unlock unshares write", "test uses write")


def story(case: Case) -> None:
    opener(case, SITES, "-r", "-U")
    drive = f"if=none,file={case.image},read-only=on,force-share=on"
    others(case, SITES, ("map", "-U", case.image), drive)

    case.section("Calls that it does not make")
    for site in NEVER:
        fault = f"{site} of {image_name(case)} fails with EIO"
        attempt(case, fault, case.qemu_io, "-r", "-U", "-c", "read 0 512", case.image)


run(story)
