# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of filters share: rows of a table, and texts that are hard on filters."""

import string
from collections.abc import Iterable

from goldlock.filters import Filter
from hypothesis import strategies as st

Row = tuple[str, Filter, str, str]
"""What is tried, the filter, a text, and what the filter makes of it."""

PLAIN = st.text(alphabet=string.ascii_uppercase + string.digits + " .,;!?").map(str.strip)
"""Texts that are none of any filter's business."""


def name_of(row: Row) -> str:
    """Return what a row tries."""
    return row[0]


def pieces(table: Iterable[Row]) -> list[str]:
    """Return the texts of a table."""
    return [text for _, _, text, _ in table]


def texts(*known: str) -> st.SearchStrategy[str]:
    """Return texts that are made of known pieces, and of any others."""
    return st.lists(st.one_of(st.sampled_from(known), st.text(max_size=5))).map("".join)
