# SPDX-License-Identifier: GPL-2.0-or-later
"""Option strings: `key=value,key=value`, switches, sizes, and `json:` file names."""

from __future__ import annotations

from goldlock.embedded.common.report import BlockError, not_served

Options = dict[str, str]

_ON = ("on", "yes", "true", "y")
_OFF = ("off", "no", "false", "n")
_NO_SIZE = "expects a non-negative number below 2^64"
_SIZE_HINT = (
    "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
    "and exabytes, respectively.\n"
)
_SPACE = " \t\n\v\f\r"
_SUFFIXES = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}


def split(text: str) -> list[str]:
    """Split at commas; a doubled comma stands for one in a value."""
    parts = [""]
    at = 0
    while at < len(text):
        comma = text.find(",", at)
        if comma < 0:
            parts[-1] += text[at:]
            break
        if text.startswith(",,", comma):
            parts[-1] += text[at : comma + 1]
            at = comma + 2
            continue
        parts[-1] += text[at:comma]
        parts.append("")
        at = comma + 1
    return parts


def parse(text: str, first_key: str = "") -> Options:
    """Parse `key=value,...`; a first value without key belongs to `first_key`.

    A later key without value, which QEMU takes for a switch, is refused, and so is a key
    that comes twice.
    """
    options: Options = {}
    for number, part in enumerate(split(text.removesuffix(",")) if text else ()):
        key, equals, value = part.partition("=")
        if number == 0 and first_key and part and not equals and "," not in part:
            key, value = first_key, part
        elif not equals or not key:
            raise not_served(f"'{text}' as a list of options ('{part}' has no value)")
        if key in options:
            raise not_served(f"Option '{key}' given twice")
        if not value and key.rpartition(".")[2] == "backing":
            raise not_served("An empty 'backing'")  # QEMU tells of a deprecation
        options[key] = value
    return options


def refuse_all_but(options: Options, served: dict[str, tuple[str, ...]]) -> None:
    """Take out the options of which one value, QEMU's default, is served; refuse all others."""
    for name in [name for name in options if name in served]:
        value = options.pop(name)
        if value not in served[name]:
            raise not_served(f"Option '{name}={value}'")


def switch(name: str, value: str) -> bool:
    """Return the meaning of an on/off option; BlockError names the option otherwise."""
    if value in _ON:
        return True
    if value in _OFF:
        return False
    raise BlockError(f"Parameter '{name}' expects 'on' or 'off'")


def take_switch(options: Options, name: str, default: bool) -> bool:
    """Remove option `name` and return its meaning."""
    value = options.pop(name, None)
    return default if value is None else switch(name, value)


def integer(text: str) -> int | None:
    """Return what C's strtol reads in the whole of `text` (`10`, `0xa`, `012`), or None."""
    digits = text.lstrip(_SPACE)
    sign = -1 if digits[:1] == "-" else 1
    digits = digits[digits[:1] in ("+", "-") :]
    base = 16 if digits[:2].lower() == "0x" else 8 if digits[:1] == "0" else 10
    digits = digits[2:] if base == 16 else digits
    if not digits or digits.strip("0123456789abcdefABCDEF"[: 22 if base == 16 else base]):
        return None
    return sign * int(digits, base)


def size(text: str, default_suffix: str = "b") -> int | None:
    """Return a size in bytes (`64k`, `1.5G`, `0x200`), or None for what is no size.

    At most 2**64 - 1; whole numbers may be hexadecimal, fractions need a suffix.
    """
    digits = text.lstrip(_SPACE).removeprefix("+")
    suffix = default_suffix
    is_hex = digits[:2].lower() == "0x"
    if digits and digits[-1].lower() in _SUFFIXES and not is_hex:
        suffix = digits[-1].lower()
        digits = digits[:-1]
    try:
        shift = _SUFFIXES[suffix]
        if is_hex:
            if digits[2:-1] and digits[-1] in "kKmMgGtTpP" and integer(digits[:-1]) is not None:
                raise not_served(f"A size of '{text}'")  # QEMU tells of a deprecation
            return value if (value := integer(digits)) is not None and value < 1 << 64 else None
        if "." in digits:
            whole, _, part = digits.partition(".")
            fraction = bool(part.strip("0"))
            if not whole or not (whole + part).isdecimal() or (fraction and not shift):
                return None
            if len(part) > 15:
                raise not_served(f"A size of '{text}'")
            value = (int(whole) << shift) + int(float("0." + (part or "0")) * (1 << shift))
            return value if value < 1 << 64 else None
        if digits.isdecimal() and digits.isascii() and len(digits) < 30:
            value = int(digits)
        else:
            return None
    except ValueError:
        return None
    value <<= shift
    return value if value < 1 << 64 else None


def human_size(value: int) -> str:
    """Return a size as `qemu-img info` writes it: three significant digits, binary units."""
    units = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
    at = 0
    scaled = float(value)
    while scaled > 999.99999 and at < len(units) - 1:
        scaled /= 1024
        at += 1
    return f"{scaled:.3g} {units[at]}B"


def size_option(name: str, text: str) -> int:
    """Return the size in bytes that an option has; BlockError names the option otherwise."""
    value = size(text)
    if value is None:
        raise BlockError(f"Parameter '{name}' {_NO_SIZE}", _SIZE_HINT)
    if value >= 1 << 63:
        raise not_served(f"A size of {value} bytes")
    return value


def subset(options: Options, prefix: str) -> Options:
    """Remove and return the options below `prefix.`, without it."""
    found = {}
    for key in [key for key in options if key.startswith(prefix + ".")]:
        found[key[len(prefix) + 1 :]] = options.pop(key)
    return found


def flatten(value: object, prefix: str = "") -> Options:
    """Turn a JSON object into dotted options, as QEMU's block layer sees them."""
    flat: Options = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            flat.update(flatten(inner, f"{prefix}.{number}"))
    elif isinstance(value, bool):
        flat[prefix] = "on" if value else "off"
    elif value is None:
        flat[prefix] = ""
    elif not isinstance(value, str) and prefix.rpartition(".")[2] != "size":
        raise not_served(f"A number as '{prefix}'")
    else:
        flat[prefix] = str(value)
    return flat


def parse_json_filename(text: str) -> Options:
    """Return the options of a `json:{...}` file name."""
    from goldlock.embedded.common import json_parse, json_split  # rare: a name is seldom JSON

    try:
        value = json_parse.parse(text)
    except json_split.JsonError as failure:
        raise BlockError(f"Could not parse the JSON options: {failure}") from None
    if not isinstance(value, dict):
        raise BlockError("Invalid JSON object given")
    return flatten(value)
