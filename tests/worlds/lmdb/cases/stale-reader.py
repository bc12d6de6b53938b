#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: bug
"""A reader that was killed keeps its place in the table until somebody looks who lives.

Reported where places ran out, as MDB_READERS_FULL, and the database grew without end, as nothing
that a reader may see is freed: https://github.com/cocoindex-io/cocoindex-code/issues/129
"""

from database import make_database, reader, readers
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    with reader(case, "first") as first, reader(case, "second"):
        first.kill()
        case.section("One of two was killed")
        case.log(case.locks())
        readers(case, "-r")

        case.section("Looked through")
        readers(case, "-rr")


run(main)
