# SPDX-License-Identifier: GPL-2.0-or-later
r"""What a case declares, in the open, to differ from run to run: an order, a span of text.

A golden shows where: lines that come in any order begin with ``~``, a span has a name.
"""

import re
from collections.abc import Callable

_MARK = "~"
_NAME = r"[A-Z][A-Z0-9_]*"


def unordered(text: str) -> str:
    r"""Sort the lines of a text, which come in any order, and mark each of them with ``~``.

    before: ``second\nfirst\n``
    after:  ``~ first\n~ second\n``
    """
    if not text:
        return text
    end = "\n" if text.endswith("\n") else ""
    lines = sorted(_unmarked(line) for line in text.removesuffix("\n").split("\n"))
    return "\n".join(f"{_MARK} {line}" if line else _MARK for line in lines) + end


def volatile(pattern: str, name: str) -> Callable[[str], str]:
    r"""Make a filter that writes *name* for what the regular expression *pattern* matches.

    With groups in the pattern, only for what the groups match; ``^`` and ``$`` match at lines.
    Names are in capitals, as those of all filters. Raises ValueError for another name, and for
    what is no pattern, or matches nothing at all.

    before: ``took 12.7 s``
    after:  ``took SECONDS s``, with ``volatile(r"took ([\d.]+)", "SECONDS")``
    """
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"not a name in capitals, which a reader would see: {name!r}")
    try:
        known = re.compile(pattern, re.M)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {pattern!r}: {error}") from None
    if known.match(""):
        raise ValueError(f"it matches nothing at all, which is everywhere: {pattern!r}")
    return lambda text: known.sub(lambda found: _named(found, name), text)


def _unmarked(line: str) -> str:
    return "" if line == _MARK else line.removeprefix(f"{_MARK} ")


def _named(found: re.Match[str], name: str) -> str:
    """Return what was found with *name* in place of its groups, or of all of it."""
    if not found.re.groups:
        return name
    text, after = "", found.start()
    for group in range(1, found.re.groups + 1):
        start, end = found.span(group)
        if start >= after:  # it matched, and is in no other group
            text += found.string[after:start] + name
            after = end
    return text + found.string[after : found.end()]
