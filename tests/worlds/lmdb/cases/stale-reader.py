#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: bug
"""A reader that was killed keeps its place in the table until somebody looks who lives.

Reported where places ran out, as MDB_READERS_FULL, and the database grew without end, as nothing
that a reader may see is freed: https://github.com/cocoindex-io/cocoindex-code/issues/129
"""

from database import make_database, reader
from goldlock import Case, filters, run


def main(case: Case) -> None:
    make_database(case)
    table = filters.volatile(r"^( +\d+ [0-9a-f]+) \d", "READER")
    with reader(case, "first") as first, reader(case, "second"):
        first.kill()
        case.section("One of two was killed")
        case.log(case.locks())
        case.log(case.program("mdb_stat")("-r", "db").text, table)

        case.section("Looked through")
        case.log(case.program("mdb_stat")("-rr", "db").text, table)


run(main)
