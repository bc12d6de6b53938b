#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock of a writer that was killed is in nobody's way; what it had not committed is gone.

It is a mutex in memory, which the kernel marks when its owner dies: no table of locks has it.
"""

from database import entries, make_database
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    before = entries(case, "db")
    with case.start("mdb_load", "-T", "db", locked="db/lock.mdb") as writer:
        # It commits a hundred at a time, and waits for more.
        writer.tell("\n".join(f"{key}\nvalue" for key in range(150)), show=False)
        case.wait_for(until=lambda: entries(case, "db") == before + 100)
        case.log(case.locks())
        writer.kill()
    case.log(f"{entries(case, 'db') - before} of 150 were written")
    case.show(case.program("mdb_load"), "-T", "db", stdin="key\nvalue\n")
    case.log(f"{entries(case, 'db') - before} and one more")


run(main)
