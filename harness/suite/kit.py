# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kit a suite has, and what a kit is to the runner.

A suite names its kit in the file ``suite.toml`` beside its ``cases/``:

    kit = "qemu"

A suite without the file, or without a kit, is one of plain programs.
"""

import os
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from goldlock import safe_open
from goldlock.errors import UsageError, choice, suggest
from goldlock.options import OPTIONS, Option
from goldlock.settings import Choices, Settings
from goldlock.suite.programs import NoPrograms, Probe

FILE = "suite.toml"
_KEYS = ("kit",)


class Kit:
    """What a suite's programs need; this one, of no name, is for suites without a kit.

    *words* are the keys that headers of its cases can have beside everybody's, each with the
    words that it takes. *traits* are those that goldens may be variants for. *needs* are what a
    header can need; *requirements* what ``--require`` takes, each with the needs that it stands
    for. *shared* are options that stand among everybody's, and that only its programs heed;
    *defaults* are values that options of its own have where none is given.
    *dialect* is the module with the dialect of its suites, where that is not goldlock's own.
    """

    name = ""
    dialect = ""
    options: ClassVar[Sequence[Option]] = ()
    shared: ClassVar[Sequence[str]] = ()
    defaults: ClassVar[Mapping[str, str]] = {}
    words: ClassVar[Mapping[str, Sequence[str]]] = {}
    traits: ClassVar[Sequence[str]] = ()
    programs: ClassVar[Sequence[str]] = ()
    requirements: ClassVar[Mapping[str, Sequence[str]]] = {
        "ofd-locks": ("ofd-locks",),
        "faults": ("faults",),
    }

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what the header of a case can need."""
        return tuple(dict.fromkeys(n for needs in self.requirements.values() for n in needs))

    def recognises(self, folder: Path) -> bool:
        """Tell whether a folder that has no ``suite.toml`` is a suite of this kit."""
        del folder
        return False

    def choose(
        self, options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]
    ) -> Mapping[str, str]:
        """Check the values of *options* that are the kit's, and return them by their names.

        *suites* are the folders of its suites. Raises UsageError for one that cannot be.
        """
        del options, environ, suites
        return {}

    def why_not(self, words: Mapping[str, Sequence[str]], chosen: Mapping[str, str]) -> str:
        """Return why a case with *words* in its header is not for what was *chosen*; or nothing."""
        del words, chosen
        return ""

    def probe(self, environ: Mapping[str, str], scratch: Path, chosen: Mapping[str, str]) -> Probe:
        """Find the programs, and begin to ask them; *scratch* is a folder that they may use.

        Raises UsageError where one that was named is not there.
        """
        del environ, scratch, chosen
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


@cache
def of_suite(root: Path) -> Kit:
    """Return the kit of the suite in *root*; raise UsageError, with the file, for a bad one."""
    path = root / FILE
    try:
        if not os.path.lexists(path):
            return next((kit for kit in every() if kit.recognises(root)), load(""))
        text = safe_open.read(path, follow=True).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', error)}") from None
    import tomllib  # takes a while to load

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    for key in given:
        if key not in _KEYS:
            raise UsageError(f"{path}:{_line(text, key)}: unknown key {key!r}{suggest(key, _KEYS)}")
    name = given.get("kit")
    if name is None:
        return load("")
    where = f"{path}:{_line(text, 'kit')}"
    if not name or not isinstance(name, str):
        raise UsageError(f"{where}: kit takes a name, such as {known()[0]!r}, not {name!r}")
    try:
        return load(name)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _line(text: str, key: str) -> int:
    """Return the line that sets a key; the first one where none is found."""
    lines = (
        n for n, line in enumerate(text.split("\n"), 1) if line.strip("[ \t\"'").startswith(key)
    )
    return next(lines, 1)


def given(settings: Settings) -> list[str]:
    """Return the words of the kits' options that are not as by default."""
    words = []
    for kit in every():
        for option in kit.options:
            value = settings.of_kits.get(kit.name, {}).get(option.name)
            if value and value != kit.defaults.get(option.name, option.keywords.get("default")):
                words += [option.flag, *([value] if "action" not in option.keywords else [])]
    return words


def _check_not_given(kit: Kit, heeded: Collection[str], options: Namespace, *, one: bool) -> None:
    """Raise UsageError for an option of a kit that is given where no suite has it."""
    shared = [option for option in OPTIONS if option.flag in kit.shared]
    for option in (*kit.options, *shared):
        default = option.keywords.get("default")
        unsaid = (default, kit.defaults.get(option.name, default), False)
        if option.flag not in heeded and getattr(options, option.name) not in unsaid:
            suites = "which this suite does not have" if one else "which no suite here has"
            raise UsageError(f"{option.flag} is an option of the kit {kit.name}, {suites}")


def settings(options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]) -> Settings:
    """Check all *options*, those of the kits of *suites* among them.

    Raises UsageError for one that cannot be, or is of another kit.
    """
    kits = list(dict.fromkeys(map(of_suite, suites)))
    heeded = {flag for kit in kits for flag in (*kit.shared, *(o.flag for o in kit.options))}
    for kit in every():
        if kit not in kits:
            _check_not_given(kit, heeded, options, one=len(suites) == 1)
    choices = Choices(
        traits=tuple(trait for kit in kits for trait in kit.traits),
        requirements={name: needs for kit in kits for name, needs in kit.requirements.items()},
        of_kits={
            kit.name: kit.choose(
                options, environ, [each for each in suites if of_suite(each) is kit]
            )
            for kit in kits
        },
    )
    return Settings.from_options(options, environ, choices)
