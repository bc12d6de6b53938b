# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite calls the bytes that its programs lock, for plans and programs outside of it."""

import os
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, pack
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words
from goldlock.suite.declared import SuiteFile
from goldlock.suite.suite_file import FILE, suite_file


def words_of(suite: SuiteFile) -> ByteWords:
    """Return the words of a suite and of its kit, whatever the environment names."""
    return byte_words(suite.kit.name, pack(suite.locks))


def asked(kit: str | None, suite: str | None) -> dict[str, str]:
    """Return the environment by which bytes have the names of a kit and a suite that are asked for.

    The kit counts where both are. Raises UsageError as `variables`.
    """
    of_suite = variables(Path(suite)) if suite else {}
    return {**of_suite, **({KIT_VARIABLE: kit} if kit else {})}


def variables(root: Path) -> dict[str, str]:
    """Return the environment by which a supervisor knows the words of a suite and of its kit.

    Raises UsageError: the folder is no suite that could have some, or its file cannot be read.
    """
    if not os.path.isfile(root / FILE):  # noqa: PTH113 - pathlib raises for what it may not look at
        raise UsageError(f"{root}: has no {FILE}, which could name bytes")
    suite = suite_file(root)
    return {KIT_VARIABLE: suite.kit.name, LOCKS_VARIABLE: pack(suite.locks)}
