# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters for cases in other languages, by name, on standard input.

usage: "$PYTHON" -m goldlock.filters NAME [ARGUMENT]... [NAME [ARGUMENT]...]...
       "$PYTHON" -m goldlock.filters --list

    ls | "$PYTHON" -m goldlock.filters directory "$TEST_DIR" TEST_DIR unordered

Each name is followed by the arguments that its filter takes; they run in this order. The
filters of the suite's kit, which GOLDLOCK_KIT names, are known, too.
Exit status: 2, with one line, for what is no filter.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator

from goldlock.filters.by_name import UnknownError, arguments, chosen, known


def listed(kit: str) -> Iterator[str]:
    """Yield a line for each filter: its name, its arguments, what it does."""
    for name, function in known(kit).items():
        words = " ".join([name, *(word.upper() for word in arguments(function))])
        does = (function.__doc__ or "").splitlines()[0].replace("`", "")
        does = does.replace("Make a filter that writes", "Write")
        yield f"{words:<24} {re.sub(r'[*]([a-z]+)[*]', lambda found: found[1].upper(), does)}"


def main(words: list[str]) -> int:
    """Apply the filters that *words* name to standard input; return an exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as any other link of a pipe
    kit = os.environ.get("GOLDLOCK_KIT", "")
    try:
        if words in (["-h"], ["--help"]):
            sys.stdout.write(f"{__doc__}")
            return 0
        if words == ["--list"]:
            sys.stdout.write("".join(f"{line}\n" for line in listed(kit)))
            return 0
        if not words:
            raise UnknownError("no filter named; --list lists them")
        change = chosen(words, kit)
    except UnknownError as problem:
        print(f"filters: {problem}", file=sys.stderr)  # noqa: T201 - to the one who wrote the case
        return 2
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    sys.stdout.buffer.write(change(text).encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
