# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls a line of a plan is about: its words up to what shall become of them.

    lock 100 of t.qcow2 by qemu-io
    lock exactly RECOVER of t.db-shm
    flock .git/maintenance.lock
    create .git/index.lock by git
    rename .git/index.lock to .git/index

They are CALL [TARGET] [of FILE] [to FILE] [by PROGRAM].
"""

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from goldlock.lockcalls.plan_line import LARGEST, Line
from goldlock.lockcalls.words import ByteWords, kits_with_words, quote, range_text

FILE_CALLS: Final = ("create", "link", "rename", "mkdir", "symlink", "unlink", "rmdir")
"""Calls by a file's name, which a supervisor sees only where it is told to."""
CALLS: Final = (
    "lock", "unlock", "test", "probe", "flock", "flock unlock", "lease", "lease unlock", *FILE_CALLS
)  # fmt: skip
_WITH_BYTES = ("lock", "unlock", "test")
_WITH_TWO_NAMES = ("link", "rename")
_ABOUT_A_FILE = ("flock", "lease", *FILE_CALLS)
_AFTER_A_FILE = ("", "of", "to", "by", "fails", "is")
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


@dataclass(frozen=True, slots=True)
class Calls:
    """A kind of call; the fields are those of `goldlock.lockcalls.plan.Fault`.

    A field out of range is a ValueError.
    """

    call: str
    byte: int | tuple[int, int | None] | None = None
    image: str | None = None
    program: str | None = None
    exactly: bool = False
    to: str | None = None
    part: bool = False

    def __post_init__(self) -> None:
        if self.call not in CALLS:
            raise ValueError(f'no call "{self.call}": there are {", ".join(CALLS)}')
        if self.call == "probe" and self.image is not None:
            raise ValueError("a probe is of /dev/null, never of an image")
        if self.span:
            first, last = self.span
            fits = 0 <= first <= (first if last is None else last) <= LARGEST
            if not fits or self.call not in _WITH_BYTES:
                raise ValueError(f"a {self.call} has no byte {self.byte}")
        elif self.exactly:
            raise ValueError("any byte, and exactly: which?")
        if self.to is not None and self.call not in _WITH_TWO_NAMES:
            raise ValueError(f"{self.call} has one name")
        for path in (self.image, self.to):
            if why := path is not None and no_path(path):
                raise ValueError(f"{quote(str(path))}: {why}")
        if why := self.program is not None and no_program(self.program):
            raise ValueError(f"{quote(str(self.program))}: {why}")

    @property
    def span(self) -> tuple[int, int | None] | None:
        """The first and the last byte, None for the end of the file; None: any."""
        return (self.byte, self.byte) if isinstance(self.byte, int) else self.byte

    @property
    def is_by_name(self) -> bool:
        """Whether the call is one by a file's name."""
        return self.call in FILE_CALLS

    def __str__(self) -> str:
        """Return the words of a plan that `parse_calls` reads back."""
        parts = [self.call]
        if self.call in _WITH_BYTES:
            parts += ["exactly"] if self.exactly else ["some of"] if self.part else []
            parts.append(range_text(*self.span) if self.span else "any byte")
        for word, name in (("of", self.image), ("to", self.to), ("by", self.program)):
            parts += [word, quote(name)] if name is not None else []
        return " ".join(parts)


def no_path(path: str) -> str:
    """Return why no file can have this path, or nothing."""
    if not path:
        return "an empty path leads nowhere"
    if "\0" in path:
        return "a path has no NUL"
    longest = max(len(os.fsencode(part)) for part in path.split("/"))
    if longest > _LONGEST_NAME or len(os.fsencode(path)) > _LONGEST_PATH:
        return "no file can have a name that long"
    return ""


def no_program(name: str) -> str:
    """Return why no program can have this name in a trace, or nothing."""
    if not name:
        return "a program without a name makes no calls"
    return "the name of a program, not a path: it has no slash" if "/" in name else ""


def absolute(calls: Calls, folder: str = "") -> Calls:
    """Return it with paths made absolute, as `goldlock.lockcalls.plan.absolute` does."""
    image, to = (
        None if path is None else os.path.abspath(os.path.join(folder, path))  # noqa: PTH100, PTH118 - a supervisor loads this too, and pathlib takes 5 ms
        for path in (calls.image, calls.to)
    )
    return replace(calls, image=image, to=to)


def parse_calls(line: Line, words: ByteWords) -> Calls:
    """Read the words up to what shall become of the calls; raises PlanError."""
    bare_calls = [call for call in CALLS if " " not in call]
    call = line.need(f"a call: {', '.join(bare_calls[:-1])} or {bare_calls[-1]}", *bare_calls)
    how = line.take("exactly", "covering", "some") if call in _WITH_BYTES else ""
    exactly, part = how == "exactly", how == "some"
    if part:
        line.need('"of" and a range', "of")
    named = _Bytes(line, words)
    byte = named.read(exactly=exactly) if call in _WITH_BYTES else None
    is_bare = False
    if call in _ABOUT_A_FILE:
        call += " unlock" if call in ("flock", "lease") and line.take("unlock") else ""
        is_bare = line.quoted or line.current not in _AFTER_A_FILE
    if call == "probe" and line.current == "of":
        line.fail("a probe is of /dev/null, never of an image; test all asks about one")
    image = _path(line, "the path of an image") if is_bare or line.take("of") else None
    if named.name:
        byte = named.of(image)
        part = part or (not how and isinstance(byte, tuple))
    to = None
    if line.current == "to" and call not in _WITH_TWO_NAMES:
        line.fail(f"{call} has one name")
    if line.take("to"):
        to = _path(line, "the new path")
    program = _checked(line, "the name of a program", no_program) if line.take("by") else None
    return Calls(call, byte, image, program, exactly, to, part)


def _path(line: Line, what: str) -> str:
    return _checked(line, what, no_path)


def _checked(line: Line, what: str, wrong: Callable[[str], str]) -> str:
    if not line.current and not line.quoted:
        line.fail(f"expected {what}")
    if line.current.startswith("'") and not line.quoted:
        line.fail('a name with spaces is in "double quotes"')
    if why := wrong(line.current):
        line.fail(why)
    return line.advance()


_RANGE = re.compile(r"([0-9]+)-([0-9]*)")


class _Bytes:
    """The bytes of a call, as they are read; `name` is theirs, where they have one.

    What a name of a suite means depends on the file, which comes later in the line.
    """

    def __init__(self, line: Line, words: ByteWords) -> None:
        self._line = line
        self._words = words
        self._kit = {name: byte for byte, name in words.names.items()}
        self.name = ""
        self._at = line.place()

    def read(self, *, exactly: bool) -> int | tuple[int, int | None] | None:
        """Return the byte or the range, None for any, and for a name, until `of` is asked."""
        line = self._line
        if not exactly and line.take("any"):
            line.take("byte")
            return None
        if line.take("all"):
            return 0, None
        if found := _RANGE.fullmatch(line.current):
            first, last = (line.value(text, "a byte") if text else None for text in found.groups())
            if last is not None and last < (first or 0):
                line.fail("the last byte comes before the first")
            line.advance()
            return first or 0, last
        return self._byte()

    def _byte(self) -> int | None:
        line, kit = self._line, self._kit
        names = dict.fromkeys([*(word.name for word in self._words.declared), *kit])
        if any(name.split()[0] == line.current for name in names):
            self._at = line.place()
            name = _name(line, names)
            is_declared = any(word.name == name for word in self._words.declared)
            self.name = name if is_declared else ""
            return kit.get(name)
        if not line.take("byte") and not line.current.isdigit():
            first = dict.fromkeys(name.split()[0] for name in names)
            more = ", ".join(each if each in names else f'"{each} ..."' for each in first)
            ways = ["--suite DIR", *(f"--kit {kit}" for kit in kits_with_words())]
            names_come = f"; names for bytes come with a suite or a kit: add {' or '.join(ways)}"
            known = f", {more}" if more else names_come
            line.fail(f'expected a byte: a number, a range, "all", "any"{known}')
        return line.number("a byte", 0)

    def of(self, image: str | None) -> int | tuple[int, int | None]:
        """Return what the name means of a file, or of any."""
        words = [word for word in self._words.declared if word.name == self.name]
        found = {(word.first, word.last) for word in words if image is None or word.is_for(image)}
        if not found and self.name in self._kit:
            return self._kit[self.name]
        if not found:
            files = ", ".join(dict.fromkeys(word.pattern for word in words))
            self._line.fail_at(self._at, f"it is the name of a byte of {files}")
        if len(found) > 1:
            files = ", ".join(dict.fromkeys(word.pattern for word in words))
            self._line.fail_at(self._at, f"of which file? {files} have it, of different bytes")
        ((first, last),) = found
        if first is None:
            self._line.fail_at(self._at, "this byte is the pid of who locks it: say any byte")
        return first if first == last else (first, last)


def _name(line: Line, names: Collection[str]) -> str:
    """Return the name that the next words are, the longest; some or all may be in quotes."""
    found = ""
    while True:
        longer = f"{found} {line.current}".lstrip()
        if not line.current or not any(f"{name} ".startswith(f"{longer} ") for name in names):
            break
        found = longer
        line.advance()
    if found not in names:
        rest = [name.removeprefix(found).strip() for name in names if name.startswith(f"{found} ")]
        line.fail(f"expected {', '.join(rest)}")
    return found
