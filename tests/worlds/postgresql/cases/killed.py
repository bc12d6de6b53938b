#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: server
# needs: pg_ctl
"""A server that was killed has left its file, which is in nobody's way: it can start again."""

from cluster import make_cluster, unprivileged
from goldlock import Case, run


def main(case: Case) -> None:
    _, psql = make_cluster(case)
    pg_ctl = unprivileged(case, "pg_ctl")
    start = ("start", "--log=log")
    with case.daemon(pg_ctl, *start, pidfile="data/postmaster.pid") as server:
        case.show(psql, "-c", "create table t as select 1 as x")
        server.kill()
    case.show(case.program("ls"), "data/postmaster.pid")

    case.section("It starts again, and nothing is lost")
    with case.daemon(pg_ctl, *start, pidfile="data/postmaster.pid"):
        case.show(psql, "-c", "select x from t")
        case.show(pg_ctl, "stop")


run(main)
