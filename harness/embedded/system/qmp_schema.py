# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands of the machine monitor take, checked before anything is done."""

from __future__ import annotations

from goldlock.embedded.block import registry
from goldlock.embedded.common.report import not_served

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Mapping

    Arguments = dict[str, object]


class QmpError(Exception):
    """An error answer: class and description."""

    def __init__(self, desc: str, kind: str = "GenericError") -> None:
        super().__init__(desc)
        self.kind = kind


_WORDS = {str: "string", dict: "object", bool: "boolean", int: "integer", list: "array"}


def check_arguments(
    arguments: Arguments,
    needed: dict[str, type],
    optional: Mapping[str, type] | None = None,
    refused: tuple[str, ...] = (),
    within: str = "",
) -> None:
    """Check names and types; `needed` names what must be there, `optional` what may be.

    What QEMU takes beside them is `refused`, by name. `within` is where in the command the
    arguments stand, as `addr.`; it goes into messages.
    """
    known = {**needed, **(optional or {})}
    for name, kind in known.items():
        if name not in arguments:
            if name in needed:
                raise QmpError(f"Parameter '{within}{name}' is missing")
        elif type(arguments[name]) is not kind:
            raise QmpError(f"Invalid parameter type for '{within}{name}', expected: {_WORDS[kind]}")
    for name in arguments:
        if name in refused:
            raise not_served(f"Argument '{within}{name}'")
        if name not in known:
            raise QmpError(f"Parameter '{within}{name}' is unexpected")


_GENERIC: dict[str, type] = {
    "driver": str, "node-name": str, "read-only": bool, "auto-read-only": bool, "force-share": bool
}  # fmt: skip
_NEEDED: dict[str, dict[str, type]] = {
    "file": {"filename": str}, "null-co": {}, "raw": {}, "qcow2": {},
}  # fmt: skip
_FURTHER: dict[str, dict[str, type]] = {"file": {"locking": str}, "null-co": {"size": int}}


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
    if arguments.get("locking", "auto") not in ("on", "off", "auto"):
        raise QmpError(f"Parameter 'locking' does not accept value '{arguments['locking']}'")


def _check_child(name: str, value: object, within: str) -> None:
    if isinstance(value, dict):
        check_node(value, f"{within}{name}.")
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
