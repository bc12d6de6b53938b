# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cases a person means: by their names, their files, their groups."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from goldlock.errors import UsageError, choice, suggest
from goldlock.suite.cases import Case, Suite


def select(
    suite: Suite,
    names: Sequence[str] = (),
    groups: Iterable[str] = (),
    exclude: Iterable[str] = (),
    start_from: str | None = None,
) -> list[Case]:
    """Return the cases that are asked for, in the order of the suite.

    That is those of *names* and of *groups* (for neither, all), less those of the groups
    to *exclude*, from case *start_from* on.

    Raises UsageError for a case or group that the suite does not have.
    """
    named = [find(suite, name) for name in names]
    first = suite.cases.index(find(suite, start_from)) if start_from is not None else 0
    known_groups = {group for case in suite.cases for group in case.groups}
    groups, exclude = frozenset(groups), frozenset(exclude)
    for group in sorted(groups | exclude):
        if group not in known_groups:
            raise UsageError(f"unknown group {group!r}{choice(group, sorted(known_groups))}")
    return [
        case
        for case in suite.cases[first:]
        if (not (names or groups) or case in named or groups & {*case.groups})
        and not exclude & {*case.groups}
    ]


def find(suite: Suite, word: str) -> Case:
    """Return the case that is meant: its name, ``2`` for 002, or its file, as seen from here.

    Raises UsageError where there is none.
    """
    by_name = {case.name: case for case in suite.cases}
    if word in by_name:
        return by_name[word]
    if word.isdecimal():
        same = (case for case in suite.cases if case.name.isdecimal())
        found = next((case for case in same if int(case.name) == int(word)), None)
    elif "/" in word:
        path = Path(os.path.realpath(word))
        found = next((case for case in suite.cases if case.path == path), None)
    else:
        found = next((case for case in suite.cases if case.path.name == word), None)
    if found:
        return found
    near = suggest(word, [*by_name, *(case.path.name for case in suite.cases)])
    raise UsageError(f"unknown case {word!r}{near or ';'} -n lists them")


def suite_of(word: str) -> Path | None:
    """Return the folder of the suite that *word* is the path of a case in; None for no path."""
    path = Path(os.path.realpath(word))
    is_path = ("/" in word or path.is_file()) and path.parent.name == "cases"
    return path.parent.parent if is_path else None
