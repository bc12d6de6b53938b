#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# needs: faults
"""The first to come makes the lock file ready, while the second waits until it may share that."""

from database import make_database
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    case.lock_calls()
    plan = "lock IN USE of db/lock.mdb by first is paused from call 2"
    with (
        case.pause(plan) as held,
        case.start("mdb_stat", "db", name="first") as first,
    ):
        held.wait()
        with case.start("mdb_stat", "db", name="second") as second:
            case.wait_for(blocked=second)
            case.log(case.lock_calls())
            case.log(case.locks())
            held.go_on()
            case.log(f"exit status {first.wait(show=False)}, {second.wait(show=False)}")


run(main)
