#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two writers that begin at once: in no order of their lock calls is an update lost.

The last line of an outcome is the sum; it is the number of those that ended well.
"""

from goldlock import Case, run


def main(case: Case) -> None:
    sqlite3 = case.program("sqlite3")
    sqlite3("t.db", "create table t (x); insert into t values (0)")
    for begin in ("begin immediate", "begin deferred"):
        case.section(begin)
        update = (sqlite3, "t.db", f"{begin}; update t set x = x + 1; commit")
        case.orders({"one": update, "other": update}, outcome="sqlite3 t.db 'select x from t'")


run(main)
