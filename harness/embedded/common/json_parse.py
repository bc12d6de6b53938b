# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON as QEMU reads it, which takes single quotes, too: values from the tokens of `json_split`."""

from __future__ import annotations

import sys

from goldlock.embedded.common.json_split import (
    MAX_NESTING,
    JsonError,
    Splitter,
    characters,
    is_character,
    shown,
)

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.common.json_split import Tokens

_MOST_MESSAGE = 1023
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPED.update({'"': '"', "'": "'", "\\": "\\", "/": "/"})
_HEXADECIMAL = "0123456789abcdefABCDEF"


def _wrong(what: str) -> JsonError:
    return JsonError(f"JSON parse error, {what[:_MOST_MESSAGE]}")


def parse(text: str) -> object:
    """Return the one value in `text`; JsonError says what is wrong with it."""
    splitter = Splitter()
    messages = [*splitter.feed(text.encode("utf-8", "surrogateescape")), *splitter.finish()]
    if not messages:
        raise JsonError("Expecting a JSON value")
    value = value_of(messages[0])
    if len(messages) > 1:
        raise JsonError("Expecting at most one JSON value")
    return value


def value_of(message: Tokens | JsonError) -> object:
    """Return the value that a splitter has found; raise the JsonError that it has found."""
    if isinstance(message, JsonError):
        raise message
    if len(message) > MAX_NESTING // 8:
        # What is allowed to nest is allowed to be read and written again: two or three frames each.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 8 * MAX_NESTING))
    return _Parser(message).value()


class _Parser:
    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        if self.at >= len(self.tokens):
            raise _wrong("premature EOI")
        return self.tokens[self.at]

    def pop(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def value(self) -> object:
        first = self.peek()
        if first in "]},:":
            raise _wrong("expecting value")
        self.at += 1
        if first == "{":
            return self.members()
        if first == "[":
            return self.array()
        if first[0] in "'\"":
            return _string(first)
        return _word(first)

    def members(self) -> dict[str, object]:
        found: dict[str, object] = {}
        if self.peek() == "}":
            self.at += 1
            return found
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise _wrong("key is not a string in object")
            if self.pop() != ":":
                raise _wrong("missing : in object pair")
            value = self.value()
            if key in found:
                raise _wrong("duplicate key")
            found[key] = value
            if (token := self.pop()) == "}":
                return found
            if token != ",":
                raise _wrong("expected separator in dict")

    def array(self) -> list[object]:
        found: list[object] = []
        if self.peek() == "]":
            self.at += 1
            return found
        while True:
            found.append(self.value())
            if (token := self.pop()) == "]":
                return found
            if token != ",":
                raise _wrong("expected separator in list")


def _word(word: str) -> object:
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if word.isalpha():
        raise _wrong(f"invalid keyword '{word}'")
    if word.lstrip("-").isdecimal() and len(word) <= len(str(1 << 64)):
        number = int(word)
        if -1 << 63 <= number < 1 << 64:
            return number
    return float(word)


def _string(token: str) -> str:
    body = token[1:-1]
    if "\\" not in body and body.isascii():
        return body
    parts: list[str] = []
    at = 1
    while at < len(token) - 1:
        if token[at] == "\\":
            character, at = _escape(token, at)
            parts.append(character)
            continue
        end = token.find("\\", at)
        end = len(token) - 1 if end < 0 else end
        text = list(characters(token[at:end]))
        if "" in text:
            raise _wrong("invalid UTF-8 sequence in string")
        parts += text
        at = end
    return "".join(parts)


def _escape(token: str, at: int) -> tuple[str, int]:
    """Return the character that the escape at `at` stands for, and where the escape ends."""
    kind = token[at + 1]
    if kind in _ESCAPED:
        return _ESCAPED[kind], at + 2
    if kind != "u":
        raise _wrong("invalid escape sequence in string")
    code, end = _code(token[at + 2 : at + 6]), at + 6
    if 0xD800 <= code < 0xDC00 and token.startswith("\\u", end):
        low = _code(token[end + 2 : end + 6])
        if 0xDC00 <= low < 0xE000:
            code, end = 0x10000 + ((code & 0x3FF) << 10 | low & 0x3FF), end + 6
    if code < 0 or not is_character(code):
        raise _wrong(f"{shown(token[at:end])} is not a valid Unicode character")
    return chr(code), end


def _code(digits: str) -> int:
    """Return the number that four hexadecimal digits are, or -1."""
    return int(digits, 16) if len(digits) == 4 and not digits.strip(_HEXADECIMAL) else -1
