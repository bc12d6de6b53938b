#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal wal bug
"""A busy timeout of an hour is no use to a transaction that has read before it writes.

Reported as a bug of Python's module: https://github.com/python/cpython/issues/124510. SQLite
refuses at once, since to wait could only be for ever: the other one waits for this reader.
"""

from goldlock import Case, run


def main(case: Case) -> None:
    for mode in ("delete", "wal"):
        case.section(f"Journal mode {mode}")
        read_then_write(case, f"{mode}.db", mode)


def read_then_write(case: Case, database: str, mode: str) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3(database, f"pragma journal_mode = {mode}; create table t (x); insert into t values (1)")
    with (
        case.start("sqlite3", database, name="first", marker=".print {}") as first,
        case.start("sqlite3", database, name="second", marker=".print {}") as second,
    ):
        second.ask(".timeout 3600000")
        second.ask("begin; select x from t;")
        first.ask("begin immediate; update t set x = 2;")
        second.ask("update t set x = 3;")
        second.ask("rollback;")  # without it, the first one could not commit either
        first.ask("commit;")
        second.ask("begin immediate; update t set x = 3; commit;")
        case.show(sqlite3, database, "select x from t")


run(main)
