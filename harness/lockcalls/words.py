# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for bytes: what locks of certain bytes mean to the programs of a kit.

goldlock itself knows none. The environment variable GOLDLOCK_KIT names a kit, and its module
``bytes`` has them as ``WORDS``; plans, traces and tables say a byte's number where there are none.
"""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH110, PTH118, PTH120, PTH208

import importlib
import os

KIT_VARIABLE = "GOLDLOCK_KIT"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ByteWords:
    """What bytes are called.

    names     in plans and traces, by their numbers: {101: "uses write"}
    meanings  to a person who reads a table of locks: {101: "it may write"}
    """

    def __init__(self, names: "Mapping[int, str]", meanings: "Mapping[int, str]") -> None:
        self.names = names
        self.meanings = meanings


NO_WORDS = ByteWords({}, {})


def byte_words(kit: str | None = None) -> ByteWords:
    """Return the words of a kit, by default of the one that the environment names.

    None where there is no kit, or where it has none. A name that no kit has is a ValueError.
    """
    kit = os.environ.get(KIT_VARIABLE, "") if kit is None else kit
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


def quote(text: str) -> str:
    r"""Return text as one word of a plan or a trace line: bare, or in quotes with \ escapes."""
    if text and text.isprintable() and not any(c in ' "\\#' for c in text):
        return text
    escapes = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
    return '"' + "".join(escapes.get(c, c) for c in text) + '"'
