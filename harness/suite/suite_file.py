# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite says of itself, in the file ``suite.toml`` beside its ``cases/``.

    kit = "qemu"                          what goldlock knows of its programs, if anything
    needs = ["sqlite3"]                   what each case needs, as its header would say it
    filters = ["errno_names"]             what each case's output goes through
    environment = ["DISPLAY"]             variables of the caller's that cases see

    [programs.sqlite3]                    a program that cases may need, by its name
    command = "../build/sqlite3 -batch"   words, or a list of them; by default the name, on PATH
                                          (of "/opt/*/x", that with the largest version)
    variable = "SQLITE3_PROG"             names another one, and tells cases which it is
    version = ["--version"]               arguments, or as a string a command for the shell

    [traits]                              goldens NNN.musl.out count where the command exits with 0
    musl = "ldd --version 2>&1 | grep -q musl"

    [locks."*.db"]                        words for bytes of files (`lockcalls.file_words`)
    0x40000002-0x400001ff = "SHARED"

A suite without the file is one of plain programs. No program is started here.
"""

import os
from functools import cache
from pathlib import Path

from goldlock import safe_open
from goldlock.errors import UsageError
from goldlock.suite import kit as kits
from goldlock.suite.declared import SuiteFile

FILE = "suite.toml"
_LONGEST = 4095 - 145
"""Bytes that leave room below for the paths of goldens, and of what is remembered."""


@cache
def suite_file(root: Path) -> SuiteFile:
    """Read the file of the suite in *root*; raise UsageError, with file and line, for a bad one."""
    if len(os.fsencode(root)) > _LONGEST:
        raise UsageError(f"{root}: the path of a suite has at most {_LONGEST} bytes")
    path = root / FILE
    try:
        if not os.path.lexists(path):
            kit = next((kit for kit in kits.every() if kit.recognises(root)), None)
            return SuiteFile(root, kit) if kit else SuiteFile(root)
        text = safe_open.read(path, follow=True).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', error)}") from None
    from goldlock.suite.suite_file_reader import Reader  # and what reads TOML, which takes a while

    return Reader(path, text).read()
