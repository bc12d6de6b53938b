#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock faults
# formats: qcow2
# protocols: file
# needs: qemu-img qemu-io ofd-locks faults
"""Whichever call of an opener fails, what it has locked is unlocked, and the next one succeeds.

An opener locks the bytes that it needs, then looks for conflicts; first on the image, then
on its backing file. The later the call, the more there is to roll back.
"""

from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import (
    attempt,
    bytes_by_image,
    calls_since,
    name_errnos,
    show_calls,
)


def main(case: Case) -> None:
    name_errnos(case)
    base = f"{case.image}.base"
    case.make_image(base, "32M")
    case.make_image(case.image, backing=base)
    for options in ((), ("-r",), ("-r", "-U")):
        command = (*options, "-c", "read 0 512", case.image)
        for call in ("lock", "test"):
            case.section(f"Each {call} of qemu-io {' '.join(command)}")
            each_call(case, call, command)
    roll_back_fails(case)


def each_call(case: Case, call: str, command: tuple[str, ...]) -> None:
    """Let the first call of the opener fail, then the second, and so on to its last."""
    case.lock_calls()
    case.qemu_io(*command)
    count = sum(line.startswith(call) for line in calls_since(case))
    for number in range(1, count + 1):
        fault = f"{call} any byte fails with ENOLCK from call {number}"
        attempt(case, fault, case.qemu_io, *command)
        calls = calls_since(case)
        case.log(f"locked: {bytes_by_image(calls, 'lock')}")
        case.log(f"unlocked: {bytes_by_image(calls, 'unlock')}")
        case.log(f"the next one: exit status {case.qemu_io(*command).status}")


def roll_back_fails(case: Case) -> None:
    """An unlock that fails is a warning, before the error; closing the image unlocks all."""
    case.section("The roll-back fails, too")
    command = (case.qemu_io, "-c", "read 0 512", case.image)
    with case.faults("unlock any byte fails with EIO"):
        attempt(case, "lock any byte fails with ENOLCK from call 4", *command)
        show_calls(case)


run(main)
