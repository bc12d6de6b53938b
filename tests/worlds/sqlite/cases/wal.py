#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: wal
"""With a write-ahead log, readers and a writer do not meet; a reader holds up a checkpoint."""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "pragma journal_mode = wal; create table t (x); insert into t values (1)")
    with (
        case.start("sqlite3", "t.db", name="reader", marker=".print {}") as reader,
        case.start("sqlite3", "t.db", name="writer", marker=".print {}") as writer,
    ):
        case.section("Both at once, each on a state of its own")
        reader.ask("begin; select x from t;")
        writer.ask("begin immediate; update t set x = 2;")
        case.log(case.locks())
        writer.ask("commit; select x from t;")
        reader.ask("select x from t;")

        case.section("The log cannot be emptied while the reader is in it")
        writer.ask("pragma wal_checkpoint(truncate);")
        reader.ask("commit; select x from t;")
        writer.ask("pragma wal_checkpoint(truncate);")

        case.section("Still one writer at a time")
        writer.ask("begin immediate;")
        case.show(sqlite3, "t.db", "insert into t values (3)")


run(main)
