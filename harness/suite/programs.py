# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs under test, and what was learnt of them. Who finds and asks them is a kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs found, and what was learnt of them.

    *paths* has those that are there, by the names that headers use; *missing* tells, for a
    program or an ability that a header can need, why it is not. *traits* choose variants of
    goldens. *variables* are for the environment of each case, *named_by* tells which of them
    names which program. *heading* says in lines what is under test, *facts* says it to reports
    (JSON values), and *rows* to people who read one: a label and a text each.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    traits: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)
    heading: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[tuple[str, str], ...] = ()

    def why_not(self, need: str) -> str | None:
        """Return why *need* cannot be had; None when it can."""
        return self.missing.get(need)

    def variables_for(self, paths: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a case that is to use *paths* in place of its programs'."""
        return {**self.variables, **{self.named_by[name]: path for name, path in paths.items()}}


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
