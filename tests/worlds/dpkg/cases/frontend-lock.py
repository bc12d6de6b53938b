#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: dpkg apt bug
# needs: apt-get
"""When apt-get lets go of dpkg's lock, so that its own dpkg can have it, nobody else gets it.

They did, before there was a lock for frontends: https://bugs.launchpad.net/bugs/1795614
"""

import os
from pathlib import Path

from goldlock import Case, run
from system import make_apt, make_system


def main(case: Case) -> None:
    dpkg = make_system(case)
    apt_get = make_apt(case)
    os.mkfifo("go")
    hook = f"DPkg::Pre-Invoke::=cd {case.test_dir}; touch here; cat go"
    with case.start(apt_get, "-o", hook, "remove", "hello", exists="here") as frontend:
        case.section("Between apt-get's check and its dpkg")
        case.log(case.locks())
        case.show(dpkg, "--remove", "hello")

        case.section("Its own dpkg does not ask for the lock that apt-get has")
        Path("go").write_text("")
        frontend.wait()


run(main)
