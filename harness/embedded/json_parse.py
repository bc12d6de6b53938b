"""JSON as QEMU's monitors read it: single quotes too, split anyhow, several values in one write."""

from __future__ import annotations

MAX_TEXT = 16 << 20
MAX_NESTING = 1024
_SPACE = " \t\r\n"
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class JsonError(Exception):
    """Text that is no JSON; the message is the one that goes to the client."""


class Splitter:
    """Cuts a stream of text into the texts of its top-level values.

    Each character is looked at once, however the stream is split, and what is
    held back is bounded: past 16 MiB the value is given up with JsonError.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._held = 0
        self._depth = 0
        self._quote = ""
        self._escaped = False

    def feed(self, text: str) -> list[str]:
        """Return the values that are complete now, as text."""
        found = []
        begin = 0
        for at, character in enumerate(text):
            if self._ends_value(character):
                self._parts.append(text[begin : at + 1])
                found.append("".join(self._parts))
                self._reset()
                begin = at + 1
        rest = text[begin:]
        if self._parts or rest.strip(_SPACE):
            self._parts.append(rest)
            self._held += len(rest)
        if self._held > MAX_TEXT or self._depth > MAX_NESTING:
            self._reset()
            self._depth = 0
            raise JsonError("JSON token size limit exceeded")
        return found

    def _reset(self) -> None:
        self._parts = []
        self._held = 0
        self._quote = ""
        self._escaped = False

    def _ends_value(self, character: str) -> bool:
        if self._quote:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == self._quote:
                self._quote = ""
            return False
        if character in "'\"":
            self._quote = character
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth = max(self._depth - 1, 0)
            return self._depth == 0
        elif character == "\n" and self._depth == 0:
            return bool("".join(self._parts).strip(_SPACE))
        return False


def parse(text: str) -> object:
    """Return the one value in `text`; JsonError says what is wrong with it."""
    parser = _Parser(text)
    value = parser.value(0)
    if parser.peek():
        raise JsonError(f"JSON parse error, unexpected '{parser.peek()}'")
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def expect(self, character: str, what: str) -> None:
        if self.peek() != character:
            self.at_end()
            raise JsonError(f"JSON parse error, {what}")
        self.at += 1

    def at_end(self) -> None:
        """Say so if the text has ended too early."""
        if not self.peek():
            raise JsonError("JSON parse error, premature EOI")

    def value(self, depth: int) -> object:
        if depth > MAX_NESTING:
            raise JsonError("JSON nesting depth limit exceeded")
        first = self.peek()
        if first == "{":
            return self.members(depth)
        if first == "[":
            return self.array(depth)
        if first and first in "'\"":
            return self.string()
        return self.word()

    def members(self, depth: int) -> dict[str, object]:
        self.at += 1
        found: dict[str, object] = {}
        if self.peek() == "}":
            self.at += 1
            return found
        while True:
            if self.peek() not in ("'", '"'):
                raise JsonError("JSON parse error, key is not a string in object")
            key = self.string()
            self.expect(":", "missing : in object pair")
            if key in found:
                raise JsonError("JSON parse error, duplicate key")
            found[key] = self.value(depth + 1)
            if self.peek() == "}":
                self.at += 1
                return found
            self.expect(",", "expected separator in dict")

    def array(self, depth: int) -> list[object]:
        self.at += 1
        found: list[object] = []
        if self.peek() == "]":
            self.at += 1
            return found
        while True:
            found.append(self.value(depth + 1))
            if self.peek() == "]":
                self.at += 1
                return found
            self.expect(",", "expected separator in list")

    def string(self) -> str:
        quote = self.text[self.at]
        self.at += 1
        parts: list[str] = []
        while True:
            if self.at >= len(self.text):
                raise JsonError("JSON parse error, missing end of string")
            character = self.text[self.at]
            self.at += 1
            if character == quote:
                joined = "".join(parts)
                # A lone half of a surrogate pair is no text; QEMU refuses it as well.
                if any(0xD800 <= ord(one) < 0xE000 for one in joined):
                    joined = _join_surrogates(joined)
                return joined
            if character < " ":
                raise JsonError("JSON parse error, control character in string")
            parts.append(self.escape() if character == "\\" else character)

    def escape(self) -> str:
        character = self.text[self.at : self.at + 1]
        self.at += 1
        if character == "u":
            digits = self.text[self.at : self.at + 4]
            self.at += 4
            try:
                if len(digits) != 4 or not digits.isalnum():
                    raise ValueError
                return chr(int(digits, 16))
            except ValueError:
                raise JsonError("JSON parse error, invalid hex escape in string") from None
        if character in _ESCAPED:
            return _ESCAPED[character]
        if character and character in "\"'\\/":
            return character
        raise JsonError(f"JSON parse error, invalid escape '\\{character}' in string")

    def word(self) -> object:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in _SPACE + ",:{}[]'\"":
            self.at += 1
        word = self.text[begin : self.at]
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        if not word:
            self.at_end()
            raise JsonError("JSON parse error, expecting value")
        if word[0] == "-" or word[0].isdecimal():
            return _number(word)
        raise JsonError(f"JSON parse error, invalid keyword '{word[:40]}'")


def _number(word: str) -> object:
    try:
        if word.lstrip("-").isdecimal() and len(word) < 40:
            return int(word)
        if len(word) < 400 and not set(word) - set("0123456789+-.eE"):
            return float(word)
    except ValueError:
        pass
    raise JsonError(f"JSON parse error, invalid number '{word[:40]}'")


def _join_surrogates(text: str) -> str:
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise JsonError("JSON parse error, invalid surrogate in string") from None
