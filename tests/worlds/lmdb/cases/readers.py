#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each reader locks a byte of its own, and does not keep a writer out."""

from database import make_database, reader
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    with reader(case, "first"), reader(case, "second"):
        case.log(case.locks())
        case.show(case.program("mdb_load"), "-T", "db", stdin="key\nvalue\n")
        case.show(case.program("mdb_stat"), "db")


run(main)
