#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: server
"""While a process of a killed server lives, no other server may have the data."""

import os
import signal

from cluster import READY, make_cluster, running
from goldlock import Case, filters, run

PROCESSES = "select pid from pg_stat_activity order by pid = pg_backend_pid();"


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with (
        case.start(postgres, line=READY, limit=120) as server,
        case.start("psql", marker="\\echo {}", name="client") as client,
    ):
        *others, backend = map(int, client.ask(PROCESSES, show=False).split())
        os.kill(backend, signal.SIGSTOP)  # it does not notice what happens to its server
        server.signal(signal.SIGKILL)
        for pid in (server, *others):
            case.wait_for(gone=pid)

        case.stderr_output = filters.volatile(r"\b(?:key|ID) (\d+)", "N")
        case.section("A process that stands still has the shared memory")
        case.show(postgres)

        case.section("It is gone")
        os.kill(backend, signal.SIGKILL)
        case.wait_for(gone=backend)
        with running(case, postgres):
            case.show(psql, "-c", "select 1")


run(main)
