# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters for cases in other languages, by name, on standard input.

usage: "$PYTHON" -m goldlock.filters NAME [ARGUMENT]... [NAME [ARGUMENT]...]...
       "$PYTHON" -m goldlock.filters --list

    ls | "$PYTHON" -m goldlock.filters directory "$TEST_DIR" TEST_DIR unordered

Each name is followed by the arguments that its filter takes; they run in this order. The
filters of the suite's kit, which GOLDLOCK_KIT names, are known, too.
Exit status: 2, with one line, for what is no filter, and for what cannot be read or written.
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
    try:
        text = _answer(words, os.environ.get("GOLDLOCK_KIT", ""))
        with open(1, "wb", closefd=False) as output:  # sys.stdout is None where that is closed
            output.write(text.encode("utf-8", "surrogateescape"))
    except UnknownError as problem:
        why = str(problem)
    except OSError as error:
        why = f"standard input or output: {error.strerror}"
    else:
        return 0
    if sys.stderr:
        sys.stderr.write(f"filters: {why}\n")
    return 2


def _answer(words: list[str], kit: str) -> str:
    """Return what is to be written; raise UnknownError, or OSError."""
    if words in (["-h"], ["--help"]):
        return f"{__doc__}"
    if words == ["--list"]:
        return "".join(f"{line}\n" for line in listed(kit))
    if not words:
        raise UnknownError("no filter named; --list lists them")
    change = chosen(words, kit)
    with open(0, "rb", closefd=False) as given:
        return change(given.read().decode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
