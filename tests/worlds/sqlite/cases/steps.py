#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""A reader and a writer, each step of each in every order: who waits for which bytes.

Both have a busy timeout: who is refused a lock asks again, until it is free.
"""

from goldlock import Case, run

WAITS = ("-cmd", ".timeout 3600000", "t.db")


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x); insert into t values (1)")
    reader = case.session(
        sqlite3, *WAITS, name="reader", marker=".print {}",
        steps={"read": "begin; select x from t;", "again": "select x from t;", "end": "commit;"},
    )  # fmt: skip
    writer = case.session(
        sqlite3, *WAITS, name="writer", marker=".print {}",
        steps={"write": "begin immediate; update t set x = 2;", "commit": "commit;"},
    )  # fmt: skip
    case.permutations(reader, writer)


run(main)
