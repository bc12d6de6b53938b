# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that takes mdb_dump long to print: it stands still until somebody reads that."""

from pathlib import Path

from goldlock import Case
from goldlock.case.holder import Holder

_HEADER = "VERSION=3\nformat=print\ntype=btree\nmapsize=16777216\nHEADER=END\n"


def make_database(case: Case) -> None:
    """Make the database ``db``, of more than a pipe takes."""
    Path("db").mkdir()
    records = "".join(f" {key:05}\n {'x' * 500}\n" for key in range(5000))
    case.program("mdb_load")("db", stdin=f"{_HEADER}{records}DATA=END\n")


def reader(case: Case, name: str) -> Holder:
    """Start a program that reads the database, and is not done before it is killed."""
    return case.start("mdb_dump", "db", name=name, locked="db/lock.mdb", byte="READER")
