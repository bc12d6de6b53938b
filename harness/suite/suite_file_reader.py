# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a ``suite.toml``, and says what is wrong with one, and where."""

import re
import shlex
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from goldlock.errors import UsageError, suggest
from goldlock.lockcalls.file_words import PID, FileWord
from goldlock.suite import kit as kits
from goldlock.suite.declared import DeclaredProgram, DeclaredTrait, SuiteFile
from goldlock.suite.kit import Kit

_KEYS = ("kit", "needs", "filters", "environment", "programs", "traits", "locks")
_OF_PROGRAM = ("command", "variable", "version")
_LARGEST = 2**63 - 1
_PROGRAM = re.compile(r"[A-Za-z0-9_][\w.+-]*", re.A)
_TRAIT = re.compile(r"[A-Za-z0-9_][\w-]*", re.A)
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.A)
_BYTE = r"(0x[0-9a-f]{1,99}|0|[1-9][0-9]{0,99})"  # 010 may be meant for an octal number
_RANGE = re.compile(f"{_BYTE}(?:-{_BYTE}?)?", re.I)
_WORD = re.compile(r"[A-Za-z][\w-]*(?: [\w-]+)*", re.A)
_OF_PLANS = ("all", "any", "by", "byte", "covering", "exactly", "fails", "of", "some")
"""Words that mean something else where a plan has a byte's name."""
_OWN = ("PATH", "HOME", "PWD", "TMPDIR", "TEST_DIR", "SOCK_DIR", "PYTHON")
"""Variables that are each case's own, beside those of goldlock."""


class Reader:
    """Reads a file; an error names the line of what is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = [line if line.lstrip()[:1] != "#" else "" for line in text.split("\n")]
        try:
            self._given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            why, _, place = str(error).rpartition(" (at ")
            line = found[0] if (found := re.search(r"\d+", place)) else len(self._lines)
            raise UsageError(f"{path}:{line}: {why.lower()}") from None
        except RecursionError:
            raise UsageError(f"{path}: nested too deep") from None
        except ValueError as error:  # a number of thousands of digits
            raise UsageError(f"{path}: {error}") from None

    def read(self) -> SuiteFile:
        """Return what the file says; raise UsageError where it is not sound."""
        self._check_keys(self._given, _KEYS)
        kit = self._kit()
        programs = {name: self._program(name, kit) for name in self._table("programs")}
        variables = [program.variable for program in programs.values()]
        for name, program in programs.items():
            if variables.count(program.variable) > 1:
                self._fail(f"{program.variable} names another program, too", "programs", name)
        return SuiteFile(
            self._path.parent,
            kit,
            programs,
            {name: self._trait(name, kit) for name in self._table("traits")},
            tuple(word for pattern in self._table("locks") for word in self._words(pattern)),
            self._known("needs", (*kit.needs, *programs)),
            self._filters(kit),
            self._environment(),
        )

    def _kit(self) -> Kit:
        name = self._given.get("kit")
        if name is None:
            return kits.load("")
        if not name or not isinstance(name, str):
            self._fail(f"kit takes a name, such as {kits.known()[0]!r}, not {name!r}", "kit")
        try:
            return kits.load(name)
        except UsageError as error:
            self._fail(str(error), "kit")

    def _program(self, name: str, kit: Kit) -> DeclaredProgram:
        at = ("programs", name)
        if not _PROGRAM.fullmatch(name) or name in (*kit.requirements, *kit.needs):
            taken = "is taken" if _PROGRAM.fullmatch(name) else "has letters, digits and . _ + -"
            self._fail(f"the name of a program, {name!r}, {taken}", *at)
        given = self._given["programs"][name]
        if not isinstance(given, dict):
            self._fail(f"[programs.{name}] is a table, as in [programs.{name}]", *at)
        self._check_keys(given, _OF_PROGRAM, *at)
        variable = given.get("variable", f"{re.sub('[^A-Z0-9]', '_', name.upper())}_PROG")
        self._check_variable(variable, *at, "variable")
        version = given.get("version", ())
        if isinstance(version, str) and not version.startswith("-"):
            version = self._text(version, *at, "version")
        else:
            version = self._split(version, *at, "version") if version != () else ()
        where = f"{self._path}:{self._line(*at)}"
        command = self._split(given.get("command", [name]), *at, "command")
        return DeclaredProgram(name, command, variable, version, where)

    def _trait(self, name: str, kit: Kit) -> DeclaredTrait:
        if not _TRAIT.fullmatch(name):
            self._fail(f"a trait's name has letters, digits, _ and -, not {name!r}", "traits", name)
        if name in kit.traits:
            self._fail(f"the kit {kit.name} has the trait {name!r}", "traits", name)
        command = self._text(self._given["traits"][name], "traits", name)
        return DeclaredTrait(command, f"{self._path}:{self._line('traits', name)}")

    def _words(self, pattern: str) -> list[FileWord]:
        table = self._given["locks"][pattern]
        if not isinstance(table, dict) or not pattern.isprintable():
            self._fail('a table for each kind of file, as in [locks."*.db"]', "locks", pattern)
        return [self._word(pattern, key, name) for key, name in table.items()]

    def _word(self, pattern: str, key: str, name: object) -> FileWord:
        at = ("locks", pattern, key)
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            self._fail(f'a byte\'s name begins with a letter, as in {key} = "PENDING"', *at)
        if name.split()[0] in _OF_PLANS:
            self._fail(f"{name.split()[0]!r} means something else in a plan", *at)
        if key == PID:
            return FileWord(pattern, None, None, name)
        if not (found := _RANGE.fullmatch(key)):
            self._fail(f"{key!r} is no byte; as in 100, 0x64, 100-109, 100-, or {PID}", *at)
        first = int(found[1], 0)
        last = int(found[2], 0) if found[2] else first
        if not first <= last <= _LARGEST:
            self._fail(f"{key!r}: bytes are up to {_LARGEST}, the last not before the first", *at)
        return FileWord(pattern, first, None if key.endswith("-") else last, name)

    def _filters(self, kit: Kit) -> tuple[tuple[str, ...], ...]:
        if not (given := self._names("filters")):
            return ()
        from goldlock.filters.by_name import UnknownError, declared  # for those who want it

        try:
            return tuple(found for each in given for found in declared(each, kit.name))
        except UnknownError as error:
            self._fail(f"filters: {error}", "filters")

    def _known(self, key: str, known: Collection[str]) -> tuple[str, ...]:
        names = self._names(key)
        for name in names:
            if name not in known:
                self._fail(f"unknown word in {key}: {name!r}{suggest(name, known)}", key)
        return names

    def _environment(self) -> tuple[str, ...]:
        names = self._names("environment")
        for name in names:
            self._check_variable(name, "environment")
        return names

    def _check_variable(self, name: object, *at: str) -> None:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            self._fail(f"not the name of a variable: {name!r}", *at)
        if name in _OWN or name.startswith("GOLDLOCK_"):
            self._fail(f"{name} is each case's own", *at)

    def _table(self, key: str) -> Mapping[str, Any]:
        table = self._given.get(key, {})
        if not isinstance(table, dict):
            self._fail(f"{key} is a table, as in [{key}]", key)
        return table

    def _names(self, key: str) -> tuple[str, ...]:
        names = self._given.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            self._fail(f"{key} takes a list of names", key)
        return tuple(names)

    def _split(self, value: object, *at: str) -> tuple[str, ...]:
        """Return words that are given as a list, or as a shell has them."""
        if isinstance(value, str):
            try:
                words: list[object] = [*shlex.split(value)]
            except ValueError as error:
                self._fail(f"{at[-1]}: {str(error).lower()}; write it as for a shell", *at)
        else:
            words = value if isinstance(value, list) else []
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            self._fail(f"{at[-1]} takes words: a string, or a list of strings", *at)
        return tuple(map(str, words))

    def _text(self, value: object, *at: str) -> str:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            self._fail(f"{at[-1]} takes a command, as for a shell", *at)
        return value

    def _check_keys(self, given: Mapping[str, Any], known: Sequence[str], *at: str) -> None:
        for key in given:
            if key not in known:
                self._fail(f"unknown key {key!r}{suggest(key, known)}", *at, key)

    def _fail(self, why: str, *at: str) -> NoReturn:
        raise UsageError(f"{self._path}:{self._line(*at)}: {why}")

    def _line(self, *at: str) -> int:
        """Return the line of a key in tables: the last that has all names up to it, in order."""
        line = 0
        for name in at:
            word = re.compile(rf"(?<![\w*-]){re.escape(name)}(?![\w*-])")
            found = (n for n, text in enumerate(self._lines) if n >= line and word.search(text))
            line = next(found, line)
        return line + 1
