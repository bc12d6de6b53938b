#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two shells take two locks, each in its own order, step by step: who waits, and when both do."""

from goldlock import Case, run

FILES = ("-c", "exec 8>a 9>b; exec sh")


def main(case: Case) -> None:
    a, b = "flock 8", "flock 9"
    one = {"a1": a, "b1": b, "end1": "flock -u 9; flock -u 8"}
    other = {"b2": b, "a2": a, "end2": "flock -u 8; flock -u 9"}
    case.permutations(
        case.session("sh", *FILES, name="one", marker="echo {}", steps=one),
        case.session("sh", *FILES, name="other", marker="echo {}", steps=other),
    )


run(main)
