#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: locks
"""Two sessions wait for each other: one of them is told so, and the other one has its lock."""

from cluster import make_cluster, running
from goldlock import Case, run

WAITING = "select count(*) from pg_locks where not granted"


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with (
        running(case, postgres),
        case.start("psql", marker="\\echo {}", name="first") as first,
        case.start("psql", marker="\\echo {}", name="second") as second,
    ):
        psql("-c", "create table a (x int); create table b (x int)")
        # Who has waited this long looks for a circle: only the second one will.
        first.ask("set deadlock_timeout = '1h'; begin; lock table a;")
        second.ask("set deadlock_timeout = '1ms'; begin; lock table b;")
        first.tell("lock table b;")
        case.wait_for(until=lambda: psql("-c", WAITING).stdout == "1\n")
        second.ask("lock table a;")
        first.answer()


run(main)
