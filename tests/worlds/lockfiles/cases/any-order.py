#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two programs take two locks, each in its own order: there is an order in which both wait."""

from goldlock import Case, run


def main(case: Case) -> None:
    flock = case.program("flock")
    case.orders(
        {"one": (flock, "a", "flock", "b", "true"), "other": (flock, "b", "flock", "a", "true")}
    )


run(main)
