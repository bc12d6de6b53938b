#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: dpkg
"""While dpkg asks a question, it keeps its locks: others can look, and change nothing."""

from goldlock import Case, run
from system import make_system


def main(case: Case) -> None:
    dpkg = make_system(case)
    with case.start(dpkg, "--install", "hello_2.deb", prompt="[default=N] ? ") as installer:
        case.section("dpkg asks what to do with a changed file")
        case.log(case.locks())

        case.section("Another one")
        case.show(dpkg, "--remove", "hello")
        case.show(dpkg, "--audit")

        case.section("It has its answer")
        installer.tell("Y")
        installer.wait()
        case.show(dpkg, "--remove", "hello")


run(main)
