# SPDX-License-Identifier: GPL-2.0-or-later
"""Which dialect a suite has: that which its kit names, or goldlock's own."""

from functools import cache
from importlib import import_module
from pathlib import Path

from goldlock.dialects import own
from goldlock.dialects.dialect import Dialect
from goldlock.suite import kit as kits
from goldlock.suite.suite_file import suite_file


@cache
def of_kit(name: str) -> Dialect:
    """Return the dialect of the suites that have the kit of that name."""
    module = kits.load(name).dialect
    dialect: Dialect = import_module(module).DIALECT if module else own.DIALECT
    return dialect


def of_folder(folder: Path) -> Dialect:
    """Return the dialect of the suite in a folder; raise UsageError where its kit is a bad one."""
    return of_kit(suite_file(folder).kit.name)
