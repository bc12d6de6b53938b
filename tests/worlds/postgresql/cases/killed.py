#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: server
"""A server that was killed has left its file, which is in nobody's way: it can start again."""

from pathlib import Path

from cluster import READY, make_cluster, running
from goldlock import Case, run


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with case.start(postgres, line=READY) as server:
        case.show(psql, "-c", "create table t as select 1 as x")
        server.kill()
    case.log(f"postmaster.pid is there: {Path('data/postmaster.pid').exists()}")

    case.section("It starts again, and nothing is lost")
    with running(case, postgres):
        case.show(psql, "-c", "select x from t")


run(main)
