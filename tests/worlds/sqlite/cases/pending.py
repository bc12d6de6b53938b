#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal
"""A writer that cannot commit for a reader lets no new readers in, so that its turn comes."""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x); insert into t values (1)")
    with (
        case.start("sqlite3", "t.db", name="reader", marker=".print {}") as reader,
        case.start("sqlite3", "t.db", name="writer", marker=".print {}") as writer,
    ):
        case.section("PENDING: the writer waits for the reader that is there")
        reader.ask("begin; select x from t;")
        writer.ask("begin; update t set x = 2;")
        writer.ask("commit;")
        case.log(case.locks())

        case.section("A new reader is refused, the old one goes on")
        case.show(sqlite3, "t.db", "select x from t")
        reader.ask("select x from t;")

        case.section("When it is done, the writer can commit")
        reader.ask("commit;")
        writer.ask("commit;")
        case.show(sqlite3, "t.db", "select x from t")


run(main)
