#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy is a reader: a writer goes on meanwhile, and is not in it."""

import os
from pathlib import Path

from database import entries, make_database
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    os.mkfifo("pipe")
    with (
        case.start("sh", "-c", "exec mdb_copy db >pipe") as copy,
        Path("pipe").open("rb") as pipe,
    ):
        # It begins with two pages, for which it keeps writers out.
        start = pipe.read(100_000)
        case.log(case.locks())
        case.show(case.program("mdb_load"), "-T", "db", stdin="key\nvalue\n")
        Path("new").mkdir()
        Path("new/data.mdb").write_bytes(start + pipe.read())
        copy.wait()
    case.log(f"copied: {entries(case, 'new')} of {entries(case, 'db')}")


run(main)
