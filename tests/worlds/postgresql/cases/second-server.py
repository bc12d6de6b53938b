#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: server
"""A data directory has one server: a second one is refused, by a file that names the first."""

from cluster import make_cluster, running
from goldlock import Case, run


def main(case: Case) -> None:
    postgres, psql = make_cluster(case)
    with running(case, postgres):
        case.show(postgres)
        case.show(postgres, "--single", "postgres")
        case.show(psql, "-c", "select 1")


run(main)
