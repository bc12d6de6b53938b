# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands of the machine monitor take, checked before anything is done."""

from __future__ import annotations

from goldlock.embedded.block import registry

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    Arguments = dict[str, object]


class QmpError(Exception):
    """An error answer: class and description."""

    def __init__(self, desc: str, kind: str = "GenericError") -> None:
        super().__init__(desc)
        self.kind = kind


def check_arguments(
    arguments: Arguments,
    needed: dict[str, type],
    optional: tuple[str, ...] = (),
    within: str = "",
) -> None:
    """Check names and types; `needed` names what must be there, `optional` what may be.

    `within` is where in the command the arguments stand, as `addr.`; it goes into messages.
    """
    words = {str: "string", dict: "object", bool: "boolean", int: "integer", list: "array"}
    for name, kind in needed.items():
        if name not in arguments:
            raise QmpError(f"Parameter '{within}{name}' is missing")
        if not isinstance(arguments[name], kind):
            raise QmpError(f"Invalid parameter type for '{within}{name}', expected: {words[kind]}")
    for name in arguments:
        if name not in needed and name not in optional:
            raise QmpError(f"Parameter '{within}{name}' is unexpected")


_SCHEMA = {
    "file": {"filename": True, "locking": False, "aio": False, "pr-manager": False,
             "drop-cache": False, "aio-max-batch": False, "x-check-cache-dropped": False},
    "null-co": {"size": False, "latency-ns": False, "read-zeroes": False},
    "raw": {"file": True, "offset": False, "size": False},
    "qcow2": {"file": True, "backing": False, "lazy-refcounts": False, "cache-size": False,
              "l2-cache-size": False, "refcount-cache-size": False, "overlap-check": False,
              "pass-discard-request": False, "pass-discard-snapshot": False,
              "pass-discard-other": False, "l2-cache-entry-size": False,
              "cache-clean-interval": False},
}  # fmt: skip


_GENERIC = ("driver", "node-name", "read-only", "auto-read-only", "force-share", "discard",
            "detect-zeroes", "cache")  # fmt: skip


def check_node(arguments: Arguments) -> None:
    """Check a node description against what each driver takes, down through its children."""
    if "driver" not in arguments:
        raise QmpError("Parameter 'driver' is missing")
    driver = arguments["driver"]
    if not isinstance(driver, str):
        raise QmpError("Invalid parameter type for 'driver', expected: string")
    if driver not in _SCHEMA:
        if driver in registry.NOT_SERVED:
            raise registry.unknown_driver(driver)
        raise QmpError(f"Parameter 'driver' does not accept value '{driver}'")
    for name, needed in _SCHEMA[driver].items():
        if needed and name not in arguments:
            raise QmpError(f"Parameter '{name}' is missing")
    _check_values(driver, arguments)


def _check_values(driver: str, arguments: Arguments) -> None:
    for name, value in arguments.items():
        if name in ("filename", "node-name", "locking") and not isinstance(value, str):
            raise QmpError(f"Invalid parameter type for '{name}', expected: string")
        if name in ("read-only", "auto-read-only", "force-share") and not isinstance(value, bool):
            raise QmpError(f"Invalid parameter type for '{name}', expected: boolean")
        if isinstance(value, dict) and name in ("file", "backing"):
            check_node(value)
        if name not in _GENERIC and name not in _SCHEMA[driver]:
            raise QmpError(f"Parameter '{name}' is unexpected")
    if arguments.get("locking", "auto") not in ("on", "off", "auto"):
        raise QmpError(f"Parameter 'locking' does not accept value '{arguments['locking']}'")
