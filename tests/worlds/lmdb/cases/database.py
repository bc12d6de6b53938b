# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that takes mdb_dump long to print: it stands still until somebody reads that."""

import re
from pathlib import Path

from goldlock import Case, filters
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


def readers(case: Case, option: str) -> None:
    """Show the table of readers; with ``-rr``, after those that do not live were taken out."""
    table = filters.volatile(r"^( +\d+ [0-9a-f]+) \d", "READER")
    case.log(case.program("mdb_stat")(option, "db").text, table)


def entries(case: Case, database: str) -> int:
    """Return how many entries a database has."""
    said = case.program("mdb_stat")(database).stdout
    return int(re.findall(r"Entries: (\d+)", said)[0])
