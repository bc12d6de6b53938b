#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two programs take two locks, each in its own order: there is an order in which both wait."""

from goldlock import Case, run


def main(case: Case) -> None:
    flock = case.program("flock")
    # By its path: what --stress puts before a program would take steps of its own.
    then = "/usr/bin/flock"
    case.orders({"one": (flock, "a", then, "b", "true"), "other": (flock, "b", then, "a", "true")})


run(main)
