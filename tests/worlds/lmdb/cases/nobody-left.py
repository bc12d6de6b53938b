#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A killed reader keeps its place until nobody is left: who comes first makes the table anew."""

from database import make_database, reader, readers
from goldlock import Case, run


def main(case: Case) -> None:
    make_database(case)
    with reader(case, "first") as first, reader(case, "second") as second:
        first.kill()
        case.section("Somebody has it open")
        readers(case, "-r")

        case.section("Nobody has")
        second.kill()
        case.log(case.locks())
        readers(case, "-r")


run(main)
