# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream of JSON cut into tokens: split anyhow, several values in one write.

Text is held with one character for each byte (Latin-1) until the strings in it are decoded.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Iterator

    Tokens = list[str]

MAX_TEXT = 16 << 20  # bytes that are held of one value; QEMU's own limit is 64 MiB
MAX_TOKENS = 2 << 20
MAX_NESTING = 1024

# The states of the lexer beside those in a string, which are the quote, and the quote after a
# backslash. A row tells where a character leads; any other one ends the token or is an error.
_DIGITS = "0123456789"
_ROWS: dict[str, dict[str, str]] = {
    "start": {
        **dict.fromkeys(" \t\r\n", "start"),
        **dict.fromkeys("{}[],:", "token"),
        **dict.fromkeys("123456789", "integer"),
        **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "keyword"),
        '"': '"',
        "'": "'",
        "0": "zero",
        "-": "minus",
    },
    "minus": {**dict.fromkeys(_DIGITS, "integer"), "0": "zero"},
    "zero": {**dict.fromkeys(_DIGITS, "error"), ".": "point"},
    "integer": {**dict.fromkeys(_DIGITS, "integer"), ".": "point", "e": "e", "E": "e"},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**dict.fromkeys(_DIGITS, "fraction"), "e": "e", "E": "e"},
    "e": {**dict.fromkeys(_DIGITS, "exponent"), "+": "e sign", "-": "e sign"},
    "e sign": dict.fromkeys(_DIGITS, "exponent"),
    "exponent": dict.fromkeys(_DIGITS, "exponent"),
    "keyword": dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "keyword"),
}
_WHOLE = ("zero", "integer", "fraction", "exponent", "keyword")


class JsonError(Exception):
    """Text that is no JSON; the message is the one that goes to the client."""


class Splitter:
    """Cuts a stream of bytes into the tokens of its top-level values.

    Each byte is looked at once, however the stream is split, and what is held
    back is bounded. After an error it goes on where QEMU does: at the next
    bracket, brace, colon, comma or control character.
    """

    def __init__(self) -> None:
        self._state = "start"
        self._parts: list[str] = []
        self._held = 0
        self._forget()

    def _forget(self) -> None:
        self._tokens: Tokens = []
        self._size = 0
        self._braces = 0
        self._brackets = 0

    def feed(self, data: bytes) -> Iterator[Tokens | JsonError]:
        """Yield the values that are complete now, or what is wrong where there is none."""
        text = data.decode("latin-1")
        begin = at = 0
        while at < len(text):
            state = _next_state(self._state, text[at])
            if state != "ended":  # else the character is not part of the token
                at += 1
            if state in ("ended", "token", "error"):
                token = self._token(text[begin:at])
                if state == "error":
                    yield self._stray(token)
                elif token and (message := self._add(token)) is not None:
                    yield message
                state = "recovery" if state == "error" else "start"
            if state in ("start", "recovery"):
                begin = at
            self._state = state
        if begin < at:
            self._parts.append(text[begin:])
            self._held += at - begin
        if self._held > MAX_TEXT:
            self._token("")
            self._state = "start"
            self._forget()
            yield JsonError("JSON token size limit exceeded")

    def finish(self) -> Iterator[Tokens | JsonError]:
        """Yield what the end of the text completes, or leaves incomplete."""
        token = self._token("")
        if self._state in _WHOLE:
            if (message := self._add(token)) is not None:
                yield message
        elif token:
            yield self._stray(token)
        self._state = "start"
        if self._tokens:
            yield self._tokens
            self._forget()

    def _token(self, rest: str) -> str:
        """Return the token whose last part is `rest`."""
        if self._parts:
            rest = "".join(self._parts) + rest
            self._parts = []
            self._held = 0
        return rest

    def _stray(self, token: str) -> JsonError:
        self._forget()
        return JsonError(f"JSON parse error, stray '{shown(token.partition(chr(0))[0])}'")

    def _add(self, token: str) -> Tokens | JsonError | None:
        """Take a token; return the whole value if it is the last one of it."""
        if token in "{}":
            self._braces += 1 if token == "{" else -1
        elif token in "[]":
            self._brackets += 1 if token == "[" else -1
        self._size += len(token)
        limit = ""
        if self._size + 1 > MAX_TEXT:
            limit = "JSON token size limit exceeded"
        elif len(self._tokens) + 1 > MAX_TOKENS:
            limit = "JSON token count limit exceeded"
        elif self._braces + self._brackets > MAX_NESTING:
            limit = "JSON nesting depth limit exceeded"
        self._tokens.append(token)
        few, many = sorted((self._braces, self._brackets))
        if not limit and few >= 0 and many > 0:
            return None
        tokens = self._tokens
        self._forget()
        return JsonError(limit) if limit else tokens


def _next_state(state: str, character: str) -> str:
    """Return a state, or `token` (it is whole), `ended` (it was, before this one), `error`."""
    if state[0] in "\"'\\":
        if character < " " or character > "\xfd":
            return "error"
        if state[0] == "\\":
            return state[1]
        if character == "\\":
            return "\\" + state
        return "token" if character == state else state
    if state == "recovery":
        going_on = " " <= character <= "\xfd" and character not in "{}[]:,"
        return "recovery" if going_on or character == "\t" else "ended"
    return _ROWS[state].get(character) or ("ended" if state in _WHOLE else "error")


def is_character(code: int) -> bool:
    """Tell whether a code point is neither a surrogate nor one that is kept free for ever."""
    return not (0xD800 <= code < 0xE000 or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)


def characters(text: str) -> Iterator[str]:
    """Decode UTF-8 held one character a byte; an invalid sequence gives an empty string."""
    at = 0
    while at < len(text):
        lead = text[at]
        more = sum(lead >= least for least in "\xc0\xe0\xf0\xf8\xfc") if lead < "\xfe" else 0
        end = at + 1
        while end <= at + more and "\x80" <= text[end : end + 1] <= "\xbf":
            end += 1
        try:
            character = text[at:end].encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            # U+0000 has this form, which UTF-8 as such forbids, so that no string ends early.
            character = "\0" if text[at:end] == "\xc0\x80" else ""
        yield character if character and is_character(ord(character)) else ""
        at = end


def shown(text: str) -> str:
    """Return text as a person is shown it, with a mark for what is no UTF-8."""
    return "".join(character or "\ufffd" for character in characters(text))
