#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: server bug
"""Where the pid in a stale file is another program's by now, the server does not start.

In containers that is usual, as pids begin at 1. The way out that was found for
https://github.com/patroni/patroni/pull/681 is to have the server take it for its grandparent's.
"""

import os
from pathlib import Path

from cluster import make_cluster, running
from goldlock import Case, run


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with case.start("sleep", "1000") as other:
        Path("data/postmaster.pid").write_text(f"{other.pid}\n")
        case.show(postgres)

        case.section("With PG_GRANDPARENT_PID")
        os.environ["PG_GRANDPARENT_PID"] = str(other.pid)
        with running(case, postgres):
            case.show(psql, "-c", "select 1")


run(main)
