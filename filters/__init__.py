# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters: pure functions from text to text that make output comparable.

A filter takes any text, never raises, leaves text that it does not know alone, and
changes nothing when it is applied a second time. Those that depend on a value (a
directory, a format) are made by a function that takes the value:

    clean = compose(directory("/tmp/x", "TEST_DIR"), image_format("qcow2"), qemu_io)
    clean("read /tmp/x/t.qcow2")        ->  "read TEST_DIR/t.IMGFMT"

Filters run in the order in which they are written. `python -m goldlock.filters` applies them to its
standard input, by name, for cases in other languages.
"""

from collections.abc import Callable
from functools import reduce

from goldlock.filters.declared import unordered, volatile
from goldlock.filters.echo import one_line
from goldlock.filters.hmp import hmp
from goldlock.filters.image_creation import image_creation
from goldlock.filters.names import directory, holders, image_format, node_names, program
from goldlock.filters.qemu_io import qemu_io
from goldlock.filters.qmp import escaped_line_ends, qmp
from goldlock.filters.text import carriage_returns, errno_names, trailing_blanks

Filter = Callable[[str], str]

__all__ = [
    "Filter",
    "carriage_returns",
    "compose",
    "directory",
    "errno_names",
    "escaped_line_ends",
    "hmp",
    "holders",
    "image_creation",
    "image_format",
    "node_names",
    "one_line",
    "program",
    "qemu_io",
    "qmp",
    "trailing_blanks",
    "unordered",
    "volatile",
]


def compose(*filters: Filter) -> Filter:
    """Make one filter that applies the given ones from left to right."""

    def composed(text: str) -> str:
        return reduce(lambda value, each: each(value), filters, text)

    return composed
