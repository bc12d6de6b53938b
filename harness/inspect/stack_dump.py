# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a case was when it was ended, from what `goldlock.case.stack_dump` has kept in a file.

The first line is the path of the script, the second one what it waits for, the rest of
`faulthandler`: the stack, the innermost line first.
"""

import re

HEADER_SIZE = 4096
"""Bytes of the first two lines; the stack begins behind them."""


def render(path: str) -> str:
    """Return ``it was at:``, and the script's innermost line with what it waits for; or nothing."""
    from goldlock.safe_open import open_file  # at a failure only

    try:
        with open_file(path) as file:
            head, stack = file.read(HEADER_SIZE), file.read().decode("ascii", "replace")
    except OSError:
        return ""
    script, waiting, *_ = [*head.decode("utf-8", "surrogateescape").split("\n"), ""]
    name = script.encode("ascii", "backslashreplace").decode()  # as it stands in the stack
    line = re.search(rf'^  File "{re.escape(name)}", line (\d+) in (.*)', stack, re.M)
    if not line:
        return ""
    doing = f"waiting for {waiting}" if waiting else f"in {line[2]}"
    return f"it was at:\n  {script}:{line[1]}: {doing}"
