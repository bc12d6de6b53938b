#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two that have read both want to write: one is refused at once, though it has a busy timeout.

It keeps the other one from committing as long as it reads, so that both would wait for ever.
"""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x); insert into t values (0)")
    one, other = (
        case.session(
            sqlite3, "-cmd", ".timeout 3600000", "t.db", name=name, marker=".print {}",
            steps={
                f"read{n}": "begin; select x from t;",
                f"write{n}": "update t set x = x + 1;",
                f"commit{n}": "commit;",
            },
        )
        for n, name in enumerate(("one", "other"), 1)
    )  # fmt: skip
    orders = [
        "read1 write1 commit1 read2 write2 commit2",
        "read1 read2 write1 write2 commit2 commit1",
        "read1 read2 write1 commit1 write2 commit2",
    ]
    case.permutations(one, other, orders=orders, outcome="sqlite3 t.db 'select x from t'")


run(main)
