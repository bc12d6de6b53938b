# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON as QEMU writes it: one line on a monitor, four blanks an indent elsewhere."""

from __future__ import annotations

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def _string(text: str) -> str:
    parts = []
    for character in text:
        code = ord(character)
        if character in _ESCAPES:
            parts.append(_ESCAPES[character])
        elif 0x20 <= code < 0x7F:
            parts.append(character)
        elif code > 0xFFFF:
            code -= 0x10000
            parts.append(f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}")
        else:
            parts.append(f"\\u{code:04X}")
    return '"' + "".join(parts) + '"'


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return f"{value:.17g}"
    return str(value)


def compact(value: object) -> str:
    """Return `value` on one line, as QEMU's monitors send it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_string(str(k))}: {compact(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(compact(one) for one in value) + "]"
    return _scalar(value)


def pretty(value: object, indent: int = 0) -> str:
    """Return `value` over several lines; keys that begin with a dash are not shown."""
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        items = [
            f"{pad}{_string(str(k))}: {pretty(v, indent + 4)}"
            for k, v in value.items()
            if not str(k).startswith("-")
        ]
        return (
            "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"
            if items
            else "{\n" + " " * indent + "}"
        )
    if isinstance(value, list):
        if not value:
            return "[\n" + " " * indent + "]"
        items = [pad + pretty(one, indent + 4) for one in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"
    return _scalar(value)
