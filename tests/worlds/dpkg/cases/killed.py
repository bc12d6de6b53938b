#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: dpkg
"""A dpkg that is killed leaves no lock, but a package half done, which another one can finish."""

from goldlock import Case, run
from system import make_system


def main(case: Case) -> None:
    dpkg = make_system(case)
    with case.start(dpkg, "--install", "hello_2.deb", prompt="[default=N] ? ") as installer:
        installer.kill()

    case.section("Its locks are gone, its work is not done")
    case.log(case.locks())
    case.show(dpkg, "--audit")

    case.section("Another one finishes it")
    case.show(dpkg, "--configure", "--pending", "--force-confnew")
    case.show(dpkg, "--audit")


run(main)
