# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cases a person means: by their names, their files, their groups."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from goldlock.errors import NotFoundError, UsageError, choice, suggest
from goldlock.suite.cases import LONGEST, Case, Suite


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
    known = Known(suite)
    named = {known.find(name).name for name in names}
    first = suite.cases.index(known.find(start_from)) if start_from is not None else 0
    known_groups = {group for case in suite.cases for group in case.groups}
    groups, exclude = frozenset(groups), frozenset(exclude)
    for group in sorted(groups | exclude):
        if group not in known_groups:
            raise UsageError(f"unknown group {group!r}{choice(group, sorted(known_groups))}")
    return [
        case
        for case in suite.cases[first:]
        if (not (names or groups) or case.name in named or groups & {*case.groups})
        and not exclude & {*case.groups}
    ]


class Known:
    """The cases of a suite, by all that a person can call them."""

    def __init__(self, suite: Suite) -> None:
        self._by_name = {case.name: case for case in suite.cases}
        self._by_number = {
            int(case.name): case for case in suite.cases[::-1] if case.name.isdecimal()
        }
        self._by_file = {case.path.name: case for case in suite.cases}
        self._where = suite.root / "cases"
        self._folders = {str(self._where), *(str(case.path.parent) for case in suite.cases)}
        self._by_path = {str(case.path): case for case in suite.cases}

    def find(self, word: str) -> Case:
        """Return the case that is meant: its name, ``2`` for 002, or its file, as seen from here.

        Raises NotFoundError where there is none.
        """
        if found := self._by_name.get(word):
            return found
        if word.isdecimal() and len(word) <= LONGEST:
            found = self._by_number.get(int(word))
        elif "/" in word:
            found = self._by_path.get(os.path.realpath(word))
        else:
            found = self._by_file.get(word)
        if found:
            return found
        if "/" in word and os.path.isfile(word):  # noqa: PTH113 - pathlib raises for what it may not look at
            if os.path.dirname(os.path.realpath(word)) not in self._folders:  # noqa: PTH120 - as above
                raise UsageError(f"{word}: not in {self._where}; a run is of one suite")
            raise UsageError(
                f"{word}: no case: one with a name can be executed, begins with #!, calls run, or"
                " has a golden; chmod +x it"
            )
        near = suggest(word, [*self._by_name, *self._by_file])
        raise NotFoundError(f"unknown case {word!r}{near or ';'} -n lists them", word)


def suite_of(word: str) -> Path | None:
    """Return the folder of the suite that *word* is the path of a case in; None for no path."""
    path = Path(os.path.realpath(word))
    is_path = ("/" in word or path.is_file()) and path.parent.name == "cases"
    return path.parent.parent if is_path else None
