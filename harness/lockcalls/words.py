# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for bytes: what locks of certain bytes mean to the programs of a kit, or of a suite.

goldlock itself knows none. The environment variable GOLDLOCK_KIT names a kit, and its module
``bytes`` has them as ``WORDS``, for any file; GOLDLOCK_LOCKS has those that a suite declares for
files of certain names (`goldlock.lockcalls.file_words`). Plans, traces and tables say a byte's
number where there are none.
"""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH110, PTH118, PTH120, PTH208

import importlib
import os

from goldlock.lockcalls.file_words import LOCKS_VARIABLE, FileWord, names_of, unpack

KIT_VARIABLE = "GOLDLOCK_KIT"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


NOTHING: "Mapping[int, int]" = {}


class ByteWords:
    """What bytes are called.

    names     in plans and traces, by their numbers: {101: "uses write"}
    meanings  to a person who reads a table of locks: {101: "it may write"}
    declared  for files of certain names only, in plans, traces and tables alike; they come first
    pairs     bytes that exclude each other for those who ask: who has one must find the other free
    """

    def __init__(
        self,
        names: "Mapping[int, str]",
        meanings: "Mapping[int, str]",
        declared: "Sequence[FileWord]" = (),
        pairs: "Mapping[int, int]" = NOTHING,
    ) -> None:
        self.names = names
        self.pairs = pairs
        self.meanings = meanings
        self.declared = declared

    def name(self, path: str, first: int, last: int | None, pid: int) -> str:
        """Return what bytes of the file at *path* are called in plans and traces; "" for nothing.

        *last* is None for the end of the file; *pid* is that of the process that locks them.
        """
        return self._text(self.names, path, first, last, pid)

    def meaning(self, path: str, first: int, last: int | None, pid: int) -> str:
        """Return what a table of locks says of bytes; as `name`."""
        return self._text(self.meanings, path, first, last, pid)

    def _text(
        self, of_any: "Mapping[int, str]", path: str, first: int, last: int | None, pid: int
    ) -> str:
        if found := names_of(self.declared, path, first, last, pid):
            return ", ".join(found)
        return of_any.get(first, "") if first == last else ""

    def is_pid(self, path: str, first: int, last: int | None, pid: int) -> bool:
        """Tell whether this is the one byte whose number is by intent the pid of who locks it."""
        return first == last == pid and any(w.is_pid and w.is_for(path) for w in self.declared)


NO_WORDS = ByteWords({}, {})


def byte_words(kit: str | None = None, declared: str | None = None) -> ByteWords:
    """Return the words of a kit and of a suite, by default of those that the environment names.

    *declared* is a value of GOLDLOCK_LOCKS. There are none without a kit, or where it has none. A
    name that no kit has is a ValueError.
    """
    kit = os.environ.get(KIT_VARIABLE, "") if kit is None else kit
    declared = os.environ.get(LOCKS_VARIABLE, "") if declared is None else declared
    of_kit = _of_kit(kit)
    if not declared:
        return of_kit
    return ByteWords(of_kit.names, of_kit.meanings, unpack(declared), of_kit.pairs)


def _of_kit(kit: str) -> ByteWords:
    if not kit:
        return NO_WORDS
    module = f"goldlock.kits.{kit}.bytes"
    try:
        found: ByteWords = importlib.import_module(module).WORDS
    except ModuleNotFoundError as error:
        if error.name == module:
            return NO_WORDS
        raise ValueError(f"no kit has the name {kit}") from error
    return found


def kits_with_words() -> "list[str]":
    """Return the names of the kits that have words for bytes."""
    kits = os.path.join(os.path.dirname(os.path.dirname(__file__)), "kits")
    return sorted(kit for kit in os.listdir(kits) if os.path.exists(f"{kits}/{kit}/bytes.py"))


def range_text(first: int, last: int | None) -> str:
    """Return a range of bytes as plans and traces have it; *last* None is the end of the file."""
    if last is None:
        return f"{first}-" if first else "all"
    return str(first) if first == last else f"{first}-{last}"


def range_words(first: int, last: int | None) -> str:
    """Return a range of bytes as a person is told of it: ``byte 5``, ``bytes 5-9``."""
    if last is None:
        return f"bytes {first} and up" if first else "all bytes"
    return f"byte {first}" if first == last else f"bytes {first}-{last}"


def quote(text: str) -> str:
    r"""Return text as one word of a plan or a trace line: bare, or in quotes with \ escapes."""
    if text and text.isprintable() and not any(c in ' "\\#' for c in text):
        return text
    escapes = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
    return '"' + "".join(escapes.get(c, c) for c in text) + '"'
