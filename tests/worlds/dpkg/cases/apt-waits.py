#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: dpkg apt
# needs: apt-get
"""With a time limit for locks, apt-get waits until the other one is done."""

from goldlock import Case, run
from system import make_apt, make_system


def main(case: Case) -> None:
    dpkg = make_system(case)
    apt_get = make_apt(case)
    # Whether apt 2.6 tells of it with --quiet, and else ends that line, follows from a variable
    # that it has not set.
    patient = ("-o", "DPkg::Lock::Timeout=3600", "-o", "quiet=0", "remove", "hello")
    with (
        case.start(dpkg, "--install", "hello_2.deb", prompt="[default=N] ? ") as installer,
        case.start(apt_get, *patient, prompt="Waiting for cache lock") as waiter,
    ):
        case.log("apt-get waits")
        installer.tell("Y")
        installer.wait()
        case.log(f"apt-get: exit status {waiter.wait(show=False)}")
    case.show(dpkg, "--audit")


run(main)
