#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal
"""A writer lets others read until it commits; an exclusive one keeps them out from the start."""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x)")
    with case.start("sqlite3", "t.db", name="writer", marker=".print {}") as writer:
        case.section("RESERVED: one writer, and readers")
        writer.ask("begin immediate; insert into t values (1);")
        case.log(case.locks())
        case.show(sqlite3, "t.db", "select count(*) from t")
        case.show(sqlite3, "t.db", "insert into t values (2)")

        case.section("EXCLUSIVE: nobody else")
        writer.ask("rollback; begin exclusive;")
        case.log(case.locks())
        case.show(sqlite3, "t.db", "select count(*) from t")


run(main)
