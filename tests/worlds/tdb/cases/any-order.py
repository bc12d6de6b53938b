#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two programs store the same key, in each order of their lock calls: the last one counts."""

from goldlock import Case, run


def main(case: Case) -> None:
    case.program("tdbtool")(stdin="create t.tdb\n")
    case.orders(
        {"one": "tdbtool t.tdb store key 1", "other": "tdbtool t.tdb store key 2"},
        outcome="tdbtool t.tdb show key",
    )


run(main)
