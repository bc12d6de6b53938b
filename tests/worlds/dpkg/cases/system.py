# SPDX-License-Identifier: GPL-2.0-or-later
"""A system of Debian's kind in TEST_DIR, with one small package, for dpkg and apt."""

import os
from pathlib import Path

from goldlock import Case
from goldlock.case.program import Program

FOLDERS = (
    *("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"),
    *("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/log/apt"),
    *("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"),
)
FILES = ("var/lib/dpkg/status", "var/lib/dpkg/available", "etc/apt/sources.list")
CONTROL = """\
Package: hello
Version: {}
Architecture: all
Maintainer: A U Thor <author@example.org>
Description: a package with a file to configure
"""
APT = """\
Dir "{root}";
Dir::State::status "{root}/var/lib/dpkg/status";
DPkg::Options {{ "--root={root}"; "--log=/dev/null"; "--force-not-root"; }};
DPkg::Use-Pty "false";
APT::Get::Show-User-Simulation-Note "false";
"""


def make_system(case: Case) -> Program:
    """Make the system, and version 1 of the package, whose file somebody has changed since.

    Returns dpkg; ``hello_2.deb`` is a newer version, at which dpkg asks what to do with the file.
    """
    for folder in FOLDERS:
        Path("root", folder).mkdir(parents=True)
    for file in FILES:
        Path("root", file).touch()
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # dpkg wants to find all that it may ever start
    dpkg = case.program("dpkg", f"--root={case.test_dir}/root")
    build = case.program("dpkg-deb", "--build")
    for version in ("1", "2"):
        write(f"hello_{version}/DEBIAN/control", CONTROL.format(version))
        write(f"hello_{version}/DEBIAN/conffiles", "/etc/hello.conf\n")
        write(f"hello_{version}/etc/hello.conf", f"greeting = {version}\n")
        build(f"hello_{version}")
    dpkg("--install", "hello_1.deb")
    write("root/etc/hello.conf", "greeting = mine\n")
    return dpkg


def make_apt(case: Case) -> Program:
    """Return apt-get, for the system."""
    write("apt.conf", APT.format(root=f"{case.test_dir}/root"))
    os.environ["APT_CONFIG"] = f"{case.test_dir}/apt.conf"
    return case.program("apt-get", "--assume-yes", "--quiet")


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
