# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kit is to the runner. A suite names its own in `goldlock.suite.suite_file`."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from goldlock.errors import UsageError, choice
from goldlock.options import OPTIONS, Option
from goldlock.settings import Settings
from goldlock.suite.programs import NoPrograms, Probe


class Kit:
    """What a suite's programs need; this one, of no name, is for suites without a kit.

    *words* are the keys that headers of its cases can have beside everybody's, each with the
    words that it takes. *traits* are those that goldens may be variants for. *needs* are what a
    header can need; *requirements* what ``--require`` takes, each with the needs that it stands
    for. *debugged* is the one of its *programs* that ``--gdb`` stands before; *defaults* are
    values that options of its own have where none is given.
    *dialect* is the module with the dialect of its suites, where that is not goldlock's own.
    """

    name = ""
    dialect = ""
    options: ClassVar[Sequence[Option]] = ()
    debugged = ""
    defaults: ClassVar[Mapping[str, str]] = {}
    words: ClassVar[Mapping[str, Sequence[str]]] = {}
    traits: ClassVar[Sequence[str]] = ()
    programs: ClassVar[Sequence[str]] = ()
    requirements: ClassVar[Mapping[str, Sequence[str]]] = {
        "ofd-locks": ("ofd-locks",),
        "faults": ("faults",),
        "lock-files": ("lock-files",),
        "orders": ("orders",),
    }

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what the header of a case can need."""
        return tuple(dict.fromkeys(n for needs in self.requirements.values() for n in needs))

    def recognises(self, folder: Path) -> bool:
        """Tell whether a folder that has no ``suite.toml`` is a suite of this kit."""
        return False

    def choose(
        self, options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]
    ) -> Mapping[str, str]:
        """Check the values of *options* that are the kit's, and return them by their names.

        *suites* are the folders of its suites. Raises UsageError for one that cannot be.
        """
        return {}

    def why_not(self, words: Mapping[str, Sequence[str]], chosen: Mapping[str, str]) -> str:
        """Return why a case with *words* in its header is not for what was *chosen*; or nothing."""
        return ""

    def probe(self, environ: Mapping[str, str], scratch: Path, chosen: Mapping[str, str]) -> Probe:
        """Find the programs, and begin to ask them; *scratch* is a folder that they may use.

        Raises UsageError where one that was named is not there.
        """
        return NoPrograms()


@cache
def load(name: str) -> Kit:
    """Return the kit of that name; raise UsageError where there is none."""
    if not name:
        return Kit()
    if name not in known():
        raise UsageError(f"unknown kit {name!r}{choice(name, known())}")
    kit: Kit = import_module(f"goldlock.kits.{name}").KIT
    return kit


@cache
def known() -> tuple[str, ...]:
    """Return the names of the kits that there are."""
    folder = Path(__file__).parent.parent / "kits"
    return tuple(sorted(path.parent.name for path in folder.glob("*/__init__.py")))


def every() -> list[Kit]:
    """Return all kits, the plain one first."""
    return [load(name) for name in ("", *known())]


def options() -> list[Option]:
    """Return all options of a run, those of the kits among them."""
    of_kits = {option.flag: option for kit in every() for option in kit.options}
    return [*OPTIONS, *of_kits.values()]


def given(settings: Settings) -> list[str]:
    """Return the words of the kits' options that are not as by default."""
    words = []
    for kit in every():
        for option in kit.options:
            value = settings.of_kits.get(kit.name, {}).get(option.name)
            if value and value != kit.defaults.get(option.name, option.default):
                words += [option.flag, *([value] if option.metavar else [])]
    return words
