# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters by their names, for headers and for cases in other languages; also those of a kit."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import FunctionType

from goldlock import filters
from goldlock.errors import suggest
from goldlock.filters import Filter

PATHS = "paths"
DIRECTORIES = ("TEST_DIR", "SOCK_DIR")
"""The variables whose directories `paths` writes the names of."""


TYPE_CHECKING = False  # as in typing, which takes 5 ms to load, and `goldlock filter` starts often
if TYPE_CHECKING:
    from typing import Any


class UnknownError(Exception):
    """What was asked for is no filter; str() says why."""


@cache
def known(kit: str) -> "dict[str, Callable[..., Any]]":
    """Return all filters, and what makes filters, by name, those of a kit among them.

    *kit* is the empty string for none; raises UnknownError for one that there is not.
    """
    found = {name: getattr(filters, name) for name in filters.__all__}
    del found["Filter"], found["compose"]
    if kit:
        try:
            more = import_module(f"goldlock.kits.{kit}.filters")
        except ModuleNotFoundError as error:
            raise UnknownError(f"GOLDLOCK_KIT: kit {kit!r} has no filters ({error})") from None
        found |= {name: getattr(more, name) for name in more.__all__}
    return dict(sorted(found.items()))


def arguments(function: "Callable[..., Any]") -> list[str]:
    """Return the names of the arguments that a filter must be given; none for a plain one."""
    if function is filters.paths:
        return []
    if isinstance(function, FunctionType):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]
        return [name for name in names if name != "text"]
    from inspect import Parameter, signature  # 10 ms, for what is no function

    taken = signature(function).parameters.values()
    return [each.name for each in taken if each.default is Parameter.empty and each.name != "text"]


def declared(text: str, kit: str) -> list[tuple[str, ...]]:
    """Return the filters that a header or a ``suite.toml`` names, each with its arguments.

    They stand in *text* as words for a shell. Raises UnknownError where one could not be had.
    """
    words = shlex.shlex(text, posix=True, punctuation_chars="")
    words.whitespace += ","
    words.whitespace_split, words.commenters = True, ""
    try:
        named = list(_named([*words], kit))
    except ValueError as error:
        raise UnknownError(f"{str(error).lower()}; write it as for a shell") from None
    return [(name, *given) for name, given, _ in named]


def chosen(words: Sequence[str], kit: str, environ: Mapping[str, str] = os.environ) -> Filter:
    """Return the filter that names, each with its arguments, stand for; raise UnknownError.

    *environ* has the directories of the case, for `paths`.
    """
    return filters.compose(
        *(made if name != PATHS else _paths(environ) for name, _, made in _named(words, kit))
    )


def _paths(environ: Mapping[str, str]) -> Filter:
    for name in DIRECTORIES:
        if not environ.get(name):
            raise UnknownError(f"{PATHS}: {name} is not set; a case has it")
    try:
        return filters.paths(*(environ[name] for name in DIRECTORIES))
    except ValueError as error:
        raise UnknownError(f"{PATHS}: {error}") from None


def _named(words: Sequence[str], kit: str) -> Iterator[tuple[str, list[str], Filter]]:
    """Yield each filter with its name and its arguments; `paths` is still to be given its own."""
    rest = list(words)
    while rest:
        name = rest.pop(0)
        if name not in known(kit):
            near = suggest(name, known(kit))
            raise UnknownError(
                f"unknown filter {name!r}{near or ';'} goldlock filter --list lists them"
            )
        function = known(kit)[name]
        wanted = arguments(function)
        given, rest = rest[: len(wanted)], rest[len(wanted) :]
        if len(given) < len(wanted):
            missing = " ".join(word.upper() for word in wanted)
            raise UnknownError(f"{name} wants {missing}, and was given {len(given)} of them")
        try:
            yield name, given, function(*given) if wanted else function
        except ValueError as error:
            raise UnknownError(f"{name}: {error}") from None
