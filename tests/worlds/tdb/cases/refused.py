#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: transaction
# needs: faults
# filters: volatile 'fd=([0-9]+)' NUMBER
"""What a transaction says whose locks are refused: of all hash chains it asks in halves."""

from goldlock import Case, run

TOLD = "transaction_start\nstore key new\ntransaction_commit\n"


def main(case: Case) -> None:
    case.program("tdbtool")(stdin="create t.tdb\n")
    for byte in ("TRANSACTION", "CHAINS", "RECORDS"):
        case.section(byte)
        with case.faults(f"lock {byte} of t.tdb fails with ENOLCK"):
            case.show("tdbtool", "t.tdb", stdin=TOLD)


run(main)
