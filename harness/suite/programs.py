# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs under test, and what was learnt of them by a kit, or as a suite declares them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs found, and what was learnt of them.

    *paths* has those that are there, by the names that headers use; *missing* tells, for a
    program or an ability that a header can need, why it is not. *traits* choose variants of
    goldens. *variables* are for the environment of each case, *named_by* tells which of them
    names which program. *commands* are what paths stand for, where that is more. *on_path* are
    the programs that only the cases which need them are told of, and start by their names, too;
    *folders* stand before all others on the PATH of those. *heading* says in lines what is under
    test, *facts* says it to reports (JSON values), and *rows* to people who read one: a label and
    a text each.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    traits: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    on_path: frozenset[str] = frozenset()
    folders: Mapping[str, str] = field(default_factory=dict)
    heading: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[tuple[str, str], ...] = ()

    def why_not(self, need: str) -> str | None:
        """Return why *need* cannot be had; None when it can."""
        return self.missing.get(need)

    def paths_for(self, needs: Iterable[str]) -> dict[str, str]:
        """Return the paths of the programs of a case that needs these."""
        hidden = self.on_path - {*needs}
        return {name: path for name, path in self.paths.items() if name not in hidden}

    def folders_for(self, paths: Mapping[str, str]) -> list[str]:
        """Return what stands first on the PATH of a case that is to use *paths*."""
        names = sorted(self.on_path & paths.keys())
        wrapped = [n for n in names if paths[n] != self.paths[n]]
        return [
            str(Path(paths[n]).parent) if n in wrapped else self.folders[n]
            for n in names
            if n in wrapped or n in self.folders
        ]

    def variables_for(self, paths: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a case that is to use *paths* in place of its programs'."""
        return {**self.variables, **{self.named_by[name]: path for name, path in paths.items()}}

    @classmethod
    def joined(cls, parts: "Iterable[Programs]") -> "Programs":
        """Return several as one; those that come first take precedence."""
        found = [*parts]
        if len(found) == 1:
            return found[0]
        other_way = found[::-1]
        return cls(
            {name: path for each in other_way for name, path in each.paths.items()},
            {name: why for each in other_way for name, why in each.missing.items()},
            tuple(dict.fromkeys(trait for each in found for trait in each.traits)),
            {name: text for each in other_way for name, text in each.variables.items()},
            {name: variable for each in other_way for name, variable in each.named_by.items()},
            {name: command for each in other_way for name, command in each.commands.items()},
            frozenset(name for each in found for name in each.on_path),
            {name: folder for each in other_way for name, folder in each.folders.items()},
            tuple(dict.fromkeys(line for each in found for line in each.heading)),
            _all_facts(each.facts for each in other_way),
            tuple(dict.fromkeys(row for each in found for row in each.rows)),
        )


def _all_facts(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for each in parts:
        for key, fact in each.items():
            facts[key] = {**facts.get(key, {}), **fact} if isinstance(fact, dict) else fact
    return facts


class Probe(Protocol):
    """Programs that are being asked what they can."""

    def programs(self) -> Programs:
        """Wait for the answers.

        Raises UsageError when a program hangs, and KeyboardInterrupt after `stop`.
        """

    def stop(self) -> None:
        """End what has not answered; from any thread, also a signal handler."""


class NoPrograms:
    """The probe of a suite without a kit: nothing is looked for, and nothing is asked."""

    def programs(self) -> Programs:
        return Programs()

    def stop(self) -> None:
        """Nothing is under way."""
