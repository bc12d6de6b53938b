# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands of the machine monitor take, checked before anything is done."""

from __future__ import annotations

from goldlock.embedded.block import registry
from goldlock.embedded.common.options import integer, switch
from goldlock.embedded.common.report import not_served

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Mapping

    Arguments = dict[str, object]
    Kind = type | tuple[str, ...]


class QmpError(Exception):
    """An error answer: class and description."""

    def __init__(self, desc: str, kind: str = "GenericError") -> None:
        super().__init__(desc)
        self.kind = kind


_WORDS = {str: "string", dict: "object", bool: "boolean", int: "integer", list: "array"}


def check_arguments(
    arguments: Arguments,
    needed: dict[str, type],
    optional: Mapping[str, Kind] | None = None,
    refused: tuple[str, ...] = (),
    within: str = "",
) -> None:
    """Check names and types; `needed` names what must be there, `optional` what may be.

    A kind is a type, or the words of an enumeration. What QEMU takes beside them is `refused`, by
    name. `within` is where in the command the arguments stand, as `addr.`; it goes into messages.
    """
    known: dict[str, Kind] = {**needed, **(optional or {})}
    for name, kind in known.items():
        if name in arguments:
            _check_value(name, arguments[name], kind, within)
        elif name in needed:
            raise QmpError(f"Parameter '{within}{name}' is missing")
    unexpected = [name for name in arguments if name not in known]
    for name in unexpected:
        if name in refused or len(unexpected) > 1:  # of several, which one QEMU tells is chance
            raise not_served(f"Argument '{within}{name}'")
        raise QmpError(f"Parameter '{within}{name}' is unexpected")


def _check_value(name: str, value: object, kind: Kind, within: str) -> None:
    expected = kind if isinstance(kind, type) else str
    if type(value) is not expected:
        raise QmpError(f"Invalid parameter type for '{within}{name}', expected: {_WORDS[expected]}")
    if isinstance(kind, tuple) and value not in kind:
        raise QmpError(f"Parameter '{name}' does not accept value '{value}'")


_GENERIC: dict[str, type] = {
    "driver": str, "node-name": str, "read-only": bool, "auto-read-only": bool, "force-share": bool
}  # fmt: skip
_NEEDED: dict[str, dict[str, type]] = {
    "file": {"filename": str}, "null-co": {}, "raw": {}, "qcow2": {},
}  # fmt: skip
_FURTHER: dict[str, dict[str, Kind]] = {
    "file": {"locking": ("on", "off", "auto")}, "null-co": {"size": int}
}  # fmt: skip


def check_node(arguments: Arguments, within: str = "") -> None:
    """Check a node description against what each driver takes, down through its children.

    QEMU's further options of a driver are left to the block layer, which refuses them.
    """
    named = {name: value for name, value in arguments.items() if name == "driver"}
    check_arguments(named, {"driver": str}, within=within)
    driver = str(arguments["driver"])
    if driver not in _NEEDED:
        if driver in registry.NOT_SERVED:
            raise registry.unknown_driver(driver)
        raise QmpError(f"Parameter 'driver' does not accept value '{driver}'")
    below = {"raw": ("file",), "qcow2": ("file", "backing")}.get(driver, ())
    if below and "file" not in arguments:
        raise QmpError(f"Parameter '{within}file' is missing")
    rest = {}
    for name, value in arguments.items():
        if name in below:
            _check_child(name, value, within)
        else:
            rest[name] = value
    optional = {**_GENERIC, **_FURTHER.get(driver, {})}
    check_arguments(rest, _NEEDED[driver], optional, _REFUSED[driver], within)


def from_text(options: dict[str, str]) -> Arguments:
    """Return dotted options that came as text with the shape and types of a command's."""
    found: Arguments = {}
    for key, text in options.items():
        *path, last = key.split(".")
        within = found
        for part in path:
            below = within.setdefault(part, {})
            if not isinstance(below, dict):
                raise not_served(f"Option '{key}' beside '{part}'")
            within = below
        kind = _GENERIC.get(last, str)
        within[last] = switch(key, text) if kind is bool else text
        if last == "size":
            number = integer(text)
            if number is None or not -1 << 63 <= number < 1 << 63:
                raise QmpError(f"Parameter '{key}' expects integer")
            within[last] = number
    return found


def _check_child(name: str, value: object, within: str) -> None:
    if isinstance(value, dict):
        check_node(value, f"{within}{name}.")
    elif value == "" and name == "backing":
        raise not_served("An empty 'backing'")  # QEMU tells of a deprecation
    elif not isinstance(value, str) and not (value is None and name == "backing"):
        raise not_served(f"'{within}{name}' that is neither a node's name nor its description")


_ANY = ("discard", "detect-zeroes", "cache")
_REFUSED = {
    driver: (*_ANY, *served)
    for driver, served in (
        ("file", registry.FILE_OPTIONS), ("null-co", registry.NULL_OPTIONS),
        ("raw", registry.RAW_OPTIONS), ("qcow2", (*registry.QCOW2_OPTIONS, "encrypt")),
    )
}  # fmt: skip
