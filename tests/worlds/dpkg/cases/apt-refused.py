#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: dpkg apt
# needs: apt-get
"""apt-get is refused, too, and says by whom; what it can do without the lock, it does."""

from goldlock import Case, run
from system import make_apt, make_system


def main(case: Case) -> None:
    dpkg = make_system(case)
    apt_get = make_apt(case)
    with case.start(dpkg, "--install", "hello_2.deb", prompt="[default=N] ? "):
        case.show(apt_get, "remove", "hello")
        case.show(apt_get, "remove", "--simulate", "hello")


run(main)
