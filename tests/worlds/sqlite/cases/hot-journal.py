#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: journal
"""A writer is killed when half of its changes are in the file: who comes next takes them back."""

from goldlock import Case, run

FILL = """
create table t (x);
with recursive n (i) as (select 1 union all select i + 1 from n where i < 500)
insert into t select printf('%0500d', 1) from n;
"""


def main(case: Case) -> None:
    sqlite3, ls = case.program("sqlite3"), case.program("ls")
    sqlite3("t.db", FILL)
    with case.start("sqlite3", "t.db", name="writer", marker=".print {}") as writer:
        # More pages than the cache holds: they are written before the commit.
        writer.ask("pragma cache_size = 10; begin; update t set x = printf('%0500d', 2);")
        case.log(case.locks())
        writer.kill()

    case.section("The killed one holds nothing, and left its journal")
    case.log(case.locks())
    case.show(ls)
    case.show(sqlite3, "t.db", "select x + 0, count(*) from t group by x; pragma integrity_check")
    case.show(ls)


run(main)
