# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite declares: its programs, traits, words for bytes, and what each case has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from goldlock.suite import kit as kits
from goldlock.suite.kit import Kit

if TYPE_CHECKING:  # a project's own tests load this, too
    from goldlock.lockcalls.file_words import FileWord


@dataclass(frozen=True, slots=True)
class DeclaredProgram:
    """A program of a suite.

    *command* are words, the first of which is looked for on PATH unless it has a slash: then it
    is relative to the suite. *variable* names another one. *version* are arguments to ask it with,
    or a command for the shell; none: it is not asked. *where* is the file, and the line.
    """

    name: str
    command: tuple[str, ...]
    variable: str
    version: tuple[str, ...] | str
    where: str


class DeclaredTrait(NamedTuple):
    """A trait, which is there where a *command* for the shell exits with 0; *where* as above."""

    command: str
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class SuiteFile:
    """What the ``suite.toml`` in *root* says; of a suite without one, nothing.

    *declared_traits* are by their names; *locks* in the order of the file; *filters* are names,
    each with its arguments.
    """

    root: Path
    kit: Kit = field(default_factory=lambda: kits.load(""))
    programs: Mapping[str, DeclaredProgram] = field(default_factory=dict)
    declared_traits: Mapping[str, DeclaredTrait] = field(default_factory=dict)
    locks: "Sequence[FileWord]" = ()
    needs: tuple[str, ...] = ()
    filters: tuple[tuple[str, ...], ...] = ()
    environment: tuple[str, ...] = ()

    @property
    def known_needs(self) -> tuple[str, ...]:
        """Return what the header of a case can need."""
        return (*self.kit.needs, *self.programs)

    @property
    def traits(self) -> tuple[str, ...]:
        """Return the traits that goldens may be variants for, those of the suite first."""
        return (*self.declared_traits, *self.kit.traits)

    @property
    def program_names(self) -> tuple[str, ...]:
        """Return the programs that a command can be put before."""
        return (*self.kit.programs, *self.programs)

    @property
    def debugged(self) -> str:
        """Return the program that ``--gdb`` stands before: the kit's, or the first declared."""
        return self.kit.debugged or next(iter(self.programs), "")
