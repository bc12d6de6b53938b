# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters: pure functions from text to text that make output comparable.

A filter takes any text, never raises, leaves text that it does not know alone, and
changes nothing when it is applied a second time. Those that depend on a value, such as a
directory, are made by a function that takes the value:

    clean = compose(directory("/tmp/x", "TEST_DIR"), errno_names)
    clean("/tmp/x/t.db: Input/output error")        ->  "TEST_DIR/t.db: EIO"

Filters run in the order in which they are written. `python -m goldlock.filters` applies them to its
standard input, by name, for cases in other languages. A kit has more: `goldlock.kits.qemu.filters`.
"""

from collections.abc import Callable
from functools import reduce

from goldlock.filters.declared import unordered, volatile
from goldlock.filters.names import directory, holders, paths, pids
from goldlock.filters.text import carriage_returns, errno_names, one_line

Filter = Callable[[str], str]

__all__ = [
    "Filter",
    "carriage_returns",
    "compose",
    "directory",
    "errno_names",
    "holders",
    "one_line",
    "paths",
    "pids",
    "unordered",
    "volatile",
]


def compose(*filters: Filter) -> Filter:
    """Make one filter that applies the given ones from left to right."""

    def composed(text: str) -> str:
        return reduce(lambda value, each: each(value), filters, text)

    return composed
