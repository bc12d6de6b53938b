#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""A transaction, and one who reads and stores, each step of each in every order."""

from goldlock import Case, run


def main(case: Case) -> None:
    case.program("tdbtool")(stdin="create t.tdb\nstore key old\n")
    writer = case.session(
        "tdbtool", "t.tdb", name="writer", prompt="tdb> ",
        steps={
            "start": "transaction_start", "write": "store key new", "commit": "transaction_commit",
        },
    )  # fmt: skip
    other = case.session(
        "tdbtool", "t.tdb", name="other", prompt="tdb> ",
        steps={"read": "show key", "store": "store key mine"},
    )  # fmt: skip
    case.permutations(writer, other, outcome="tdbtool t.tdb show key")


run(main)
