#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: locks
"""Two sessions want the same lock: one waits, or is told that it cannot have it."""

from cluster import make_cluster, running
from goldlock import Case, run

LOCK = "select pg_advisory_lock(1);"
WAITING = "select count(*) from pg_locks where not granted"


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with (
        running(case, postgres),
        case.start("psql", marker="\\echo {}", name="first") as first,
        case.start("psql", marker="\\echo {}", name="second") as second,
    ):
        first.ask(LOCK)
        second.ask("select pg_try_advisory_lock(1);")
        second.ask(f"set lock_timeout = '1ms'; {LOCK}")

        case.section("It waits")
        second.tell(f"set lock_timeout = 0; {LOCK}")
        case.wait_for(until=lambda: psql("-c", WAITING).stdout == "1\n")
        first.ask("select pg_advisory_unlock(1);")
        second.answer()


run(main)
