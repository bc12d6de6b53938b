#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal
# needs: faults
"""A busy timeout: who is refused tries again until the other one is done."""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x)")
    with (
        case.start("sqlite3", "t.db", name="first", marker=".print {}") as first,
        case.start("sqlite3", "t.db", name="second", marker=".print {}") as second,
    ):
        first.ask(".timeout 3600000")
        first.ask("begin immediate; insert into t values (1);")
        second.ask(".timeout 3600000")
        second.tell("insert into t values (2);")
        case.log(case.wait_for(refused=second))
        first.ask("commit;")
        second.answer()
        case.show(sqlite3, "t.db", "select x from t order by x")


run(main)
