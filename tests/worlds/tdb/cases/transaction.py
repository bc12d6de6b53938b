#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: transaction
# needs: tdbbackup
"""One transaction at a time: another one waits for it, as a backup does; readers do not."""

from goldlock import Case, run


def main(case: Case) -> None:
    case.program("tdbtool")(stdin="create t.tdb\nstore key old\n")
    with (
        case.start("tdbtool", "t.tdb", name="one", prompt="tdb> ") as one,
        case.start("tdbtool", "t.tdb", name="other", prompt="tdb> ") as other,
    ):
        case.section("Others read what was there before")
        one.ask("transaction_start")
        one.ask("store key new")
        case.log(case.locks())
        other.ask("show key")

        case.section("Another transaction, and a backup, wait")
        other.tell("transaction_start")
        case.wait_for(blocked=other)
        with case.start("tdbbackup", "t.tdb", name="backup") as backup:
            case.wait_for(blocked=backup)
            case.log(case.locks())

            case.section("One after the other")
            one.ask("transaction_commit")
            other.answer()
            other.ask("show key")
            other.ask("transaction_cancel")
            backup.wait()
    case.show("tdbtool", "t.tdb.bak", "show", "key")


run(main)
