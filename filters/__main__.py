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
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from goldlock import filters
from goldlock.filters import Filter


class UnknownError(Exception):
    """What was asked for is no filter; str() says why."""


@cache
def known() -> dict[str, Callable[..., Any]]:
    """Return all filters, and what makes filters, by name; raise UnknownError for no kit."""
    found = {name: getattr(filters, name) for name in filters.__all__}
    del found["Filter"], found["compose"]
    if kit := os.environ.get("GOLDLOCK_KIT"):
        try:
            more = import_module(f"goldlock.kits.{kit}.filters")
        except ModuleNotFoundError as error:
            raise UnknownError(f"GOLDLOCK_KIT: kit {kit!r} has no filters ({error})") from None
        found |= {name: getattr(more, name) for name in more.__all__}
    return dict(sorted(found.items()))


def arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that a filter must be given; none for a plain one."""
    taken = signature(function).parameters.values()
    return [each.name for each in taken if each.default is Parameter.empty and each.name != "text"]


def listed() -> Iterator[str]:
    """Yield a line for each filter: its name, its arguments, what it does."""
    for name, function in known().items():
        words = " ".join([name, *(word.upper() for word in arguments(function))])
        does = (function.__doc__ or "").splitlines()[0].replace("`", "")
        does = does.replace("Make a filter that writes", "Write")
        yield f"{words:<24} {re.sub(r'[*]([a-z]+)[*]', lambda found: found[1].upper(), does)}"


def chosen(words: list[str]) -> Filter:
    """Return the filter that names, each with its arguments, stand for; raise UnknownError."""
    made, rest = [], list(words)
    while rest:
        name = rest.pop(0)
        if name not in known():
            raise UnknownError(f"unknown filter {name!r}{_suggestion(name)}; --list lists them")
        function = known()[name]
        wanted = arguments(function)
        given, rest = rest[: len(wanted)], rest[len(wanted) :]
        if len(given) < len(wanted):
            missing = " ".join(word.upper() for word in wanted)
            raise UnknownError(f"{name} wants {missing}, and was given {len(given)} of them")
        try:
            made.append(function(*given) if wanted else function)
        except ValueError as error:
            raise UnknownError(f"{name}: {error}") from None
    return filters.compose(*made)


def _suggestion(name: str) -> str:
    from difflib import get_close_matches  # only for those who slipped

    near = get_close_matches(name, list(known()), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def main(words: list[str]) -> int:
    """Apply the filters that *words* name to standard input; return an exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as any other link of a pipe
    try:
        if words in (["-h"], ["--help"]):
            sys.stdout.write(f"{__doc__}")
            return 0
        if words == ["--list"]:
            sys.stdout.write("".join(f"{line}\n" for line in listed()))
            return 0
        if not words:
            raise UnknownError("no filter named; --list lists them")
        change = chosen(words)
    except UnknownError as problem:
        print(f"filters: {problem}", file=sys.stderr)  # noqa: T201 - to the one who wrote the case
        return 2
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    sys.stdout.buffer.write(change(text).encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
