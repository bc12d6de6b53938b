#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal bug
"""A process that reads the database file by other means loses its locks, and never hears of it.

https://sqlite.org/howtocorrupt.html, 2.2: whichever descriptor of a file a process closes, its
POSIX locks on the file are gone.
"""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x)")
    with case.start("sqlite3", "t.db", name="writer", marker=".print {}") as writer:
        writer.ask("begin immediate;")
        case.log(case.locks())

        case.section("It opens the file, reads it, and closes it")
        writer.ask("select length(readfile('t.db'));")
        case.log(case.locks())

        case.section("Now two write at the same time")
        case.show(sqlite3, "t.db", "begin immediate")


run(main)
