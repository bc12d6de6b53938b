# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite on disk: its cases and their headers. Nothing is executed here.

A case is a file in ``cases/`` called by a number or a name, with or without an extension:
``153.py``, ``busy-timeout.sh``. Of the files that have a name, those are cases that can be
executed, begin with ``#!``, have a golden or, in Python, call ``run``; others are helpers. A
case's title is the first line of its docstring, or else the first comment that says something. Its
header is made of the comment lines at its top, before a docstring or behind it, that have the form
``# key: value``:

    # group: rw quick          groups it can be selected by
    # needs: faults            abilities (ofd-locks, faults) and programs of the suite or its kit
    # timeout: 30              time limit, in seconds
    # exclusive: port-80       never beside another case of that name
    # filters: paths pids      filters that all of its output goes through, in this order, each
                               with its arguments, as a shell has them

and those of the suite's kit, such as ``formats``.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from goldlock.errors import UsageError, suggest
from goldlock.suite import kit as kits
from goldlock.suite.declared import SuiteFile
from goldlock.suite.suite_file import FILE, suite_file
from goldlock.text import natural

_CASE_NAME = re.compile(r"([A-Za-z0-9][\w-]*)(\.\w+)?", re.A)
LONGEST = 40
"""Characters of a case's name: it is part of the paths of sockets, which are short."""
_MODULES = sys.stdlib_module_names | {"goldlock", "pexpect", "psutil", "ptyprocess"}
"""What neither a case nor a helper beside it is called: Python looks in their folder first."""
_LEFTOVERS = ("~", ".orig", ".rej", ".bak", ".swp")
_CALLS_RUN = re.compile(rb"^(?:if __name__\s*==[^\n]*:\s*)?(?:goldlock\.)?run\(", re.M)
_COMMENT = re.compile(r"\s*(?:#|//|--|;)(.*)")
_DOCSTRING = re.compile(r'((?:[ \t]*(?:#.*)?\n)*)[rR]?("""|\'\'\'|"|\')([\s\S]*?)(?:\2|\Z)')
_SAYS_NOTHING = re.compile(r"!|-\*-|.*(?:SPDX-|Copyright|coding[:=]|vim?:)|\W*$", re.I)
_FIELD = re.compile(r"[#/;-]*\s*([A-Za-z]+):(?:\s+(.*))?")
_HEADER_SIZE = 65536  # bytes of a case that are looked through for its header
_KEYS = ("group", "needs", "timeout", "exclusive", "filters")


@dataclass(frozen=True, slots=True)
class Case:
    """A case and what its header says; *words* is what it says by the keys of the suite's kit.

    The name of most is a number. *filters* are names, and behind each its arguments.
    """

    name: str
    path: Path
    title: str = ""
    groups: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    timeout: float | None = None
    exclusive: str = ""
    filters: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    kit: str = ""
    suite: Path | None = None
    """The folder of its suite; without it, the one above the folder that it is in."""

    @property
    def root(self) -> Path:
        """The folder of the suite that it is of."""
        return self.suite or self.path.parent.parent

    @property
    def expected(self) -> Path:
        """The folder of its goldens."""
        return self.root / "expected"


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder with ``cases/`` and ``expected/``, its cases in the order of their names."""

    root: Path
    cases: tuple[Case, ...]
    kit: str = ""

    @property
    def expected(self) -> Path:
        """The folder of the goldens."""
        return self.root / "expected"


def orphans(root: Path) -> list[Path]:
    """Return the goldens of a suite that no case owns, or for a trait that no program has."""
    numbers = {path.name.partition(".")[0] for path in case_files(root)}
    expected, known = root / "expected", ("", *suite_file(root).traits)
    names = sorted(os.listdir(expected)) if expected.is_dir() else []  # noqa: PTH208 - thousands
    return [
        expected / name
        for name in names
        if name.endswith(".out")
        and (name.partition(".")[0] not in numbers or trait_in(name) not in known)
    ]


def trait_in(golden: str) -> str:
    """Return the trait in the name of a golden; nothing where it has none."""
    return golden.removesuffix(".out").partition(".")[2]


def read_suite(root: Path) -> Suite:
    """Read the suite in *root*; raise UsageError, with file and line, where it is not sound."""
    cases: dict[int | str, Case] = {}
    for path in case_files(root):
        case = read_case(path)
        name = int(case.name) if case.name.isdecimal() else case.name
        if twin := cases.get(name):
            kind = "name" if name == case.name else "number"
            raise UsageError(f"{path}: {twin.path.name} has the same {kind}; rename one of them")
        cases[name] = case
    ordered = sorted(cases.values(), key=lambda case: natural(case.name))
    return Suite(root, tuple(ordered), suite_file(root).kit.name)


def case_files(root: Path) -> list[Path]:
    """Return the files of a suite that are cases; raise UsageError where it has no folder."""
    folder = root / "cases"
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{folder}: no such folder; a suite has cases/ and expected/") from None
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None
    for name in names:
        if name.endswith(".py") and name[:-3] in _MODULES:
            raise UsageError(
                f"{folder / name}: {name[:-3]} is a module that scripts import, and they would get"
                " this file in its place; rename it"
            )
    return [path for path in map(folder.joinpath, names) if may_be_case(path)]


def may_be_case(path: Path) -> bool:
    """Tell whether a file is taken for a case: not a helper, nor what editors leave beside it."""
    if path.name.endswith(_LEFTOVERS) or not (path.name[0].isascii() and path.name[0].isalnum()):
        return False
    return path.name[0].isdigit() or _is_meant_to_run(path)


def _is_meant_to_run(path: Path) -> bool:
    try:
        if path.stat().st_mode & 0o111:
            return True
        with path.open("rb") as file:
            text = file.read(2)
            if text != b"#!" and path.suffix == ".py":
                text += file.read()
    except OSError:
        return False
    golden = path.parent.parent / "expected" / f"{path.name.partition('.')[0]}.out"
    return text[:2] == b"#!" or bool(_CALLS_RUN.search(text)) or golden.exists()


@cache  # a run reads its suite, collects it, and looks for goldens that no case owns
def read_case(path: Path) -> Case:
    """Read the header of a case; raise UsageError where it is not sound."""
    name = _CASE_NAME.fullmatch(path.name)
    if not name:
        raise UsageError(f"{path}: not a case's name; as in 153, 153.py or busy-timeout.sh")
    if len(name[1]) > LONGEST:
        raise UsageError(f"{path}: a case's name has at most {LONGEST} characters")
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: not a file, so not a case")
        with path.open("rb") as file:
            top = file.read(_HEADER_SIZE).decode("utf-8-sig", "replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    suite = suite_file(path.parent.parent)
    docstring = _DOCSTRING.match(top) if path.suffix == ".py" else None
    if docstring:  # comments stand behind it, too
        top = docstring[1] + "\n" * docstring[3].count("\n") + top[docstring.end() :]
    fields: dict[str, str] = {}
    comments = []
    for number, line in enumerate(top.split("\n"), start=1):
        comment = _COMMENT.fullmatch(line.rstrip())
        if comment and (given := _FIELD.fullmatch(comment[1])):
            _read_field(fields, given[1].lower(), given[2] or "", suite, f"{path}:{number}")
        elif comment:
            comments.append(comment[1])
        elif line.strip():
            break
    return Case(
        name[1],
        path,
        title=_title(comments, docstring[3] if docstring else ""),
        groups=_words(fields.get("group", "")),
        needs=tuple(dict.fromkeys((*suite.needs, *_words(fields.get("needs", ""))))),
        timeout=float(fields["timeout"]) if "timeout" in fields else None,
        exclusive=fields.get("exclusive", ""),
        filters=_filters(suite, fields.get("filters", ""), str(path)),
        words={key: _words(fields[key]) for key in suite.kit.words if key in fields},
        kit=suite.kit.name,
        suite=suite.root,
    )


def _title(comments: Iterable[str], docstring: str) -> str:
    """Return what a case is about: the first line of a Python script's docstring, or a comment."""
    said = (each.lstrip("#/;- ") for each in comments if not _SAYS_NOTHING.match(each))
    return docstring.strip().partition("\n")[0].rstrip() or next(said, "")


def _read_field(fields: dict[str, str], key: str, value: str, suite: SuiteFile, where: str) -> None:
    keys = (*_KEYS, *suite.kit.words)
    values = {**suite.kit.words, "needs": suite.known_needs}
    if key not in keys:
        if other := next((each for each in kits.every() if key in each.words), None):
            raise UsageError(
                f"{where}: {key!r} is of the kit {other.name}, which this suite does not have:"
                f' its {FILE} does not say kit = "{other.name}"'
            )
        # Any comment may look like a field: only what must be a slip is one.
        if near := get_close_matches(key, keys, n=1, cutoff=0.8):
            raise UsageError(f"{where}: unknown header {key!r}; did you mean {near[0]!r}?")
        return
    if key in fields:
        raise UsageError(f"{where}: {key!r} is given twice")
    if not value.strip():
        raise UsageError(f"{where}: {key!r} has no value")
    if key == "filters":
        _filters(suite, value, where)
    for word in _words(value) if key in values else ():
        if word not in values[key]:
            declare = f"; [programs.{word}] in {FILE} declares a program" if key == "needs" else ""
            way_out = suggest(word, values[key]) or declare
            raise UsageError(f"{where}: unknown word in {key}: {word!r}{way_out}")
    if key == "timeout" and not re.fullmatch(
        r"0*[1-9]\d{0,5}(\.\d+)?|0*\.\d*[1-9]\d*", value.strip()
    ):
        raise UsageError(f"{where}: timeout is a number of seconds, not {value.strip()!r}")
    fields[key] = value.strip()


def _filters(suite: SuiteFile, value: str, where: str) -> tuple[str, ...]:
    """Return those of a suite, then those that a header has; each once, with its arguments."""
    if not value:
        return tuple(word for each in dict.fromkeys(suite.filters) for word in each)
    from goldlock.filters.by_name import UnknownError, declared  # for those who want it

    try:
        named = dict.fromkeys((*suite.filters, *declared(value, suite.kit.name)))
    except UnknownError as error:
        raise UsageError(f"{where}: filters: {error}") from None
    return tuple(word for each in named for word in each)


def _words(value: str) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split())
