# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands as a case shows them."""

import re


def one_line(text: str) -> str:
    r"""Fold each line break, with the blanks around it, into one blank.

    A JSON command that is written over several lines is shown on one.

    before: ``{ 'execute': 'quit',\n       'id': 1 }``
    after:  ``{ 'execute': 'quit', 'id': 1 }``
    """
    return re.sub(r"[ \t]*\n\s*", " ", text.strip("\n"))
