# SPDX-License-Identifier: GPL-2.0-or-later
"""The kit for a tree of QEMU's own tests, tests/qemu-iotests, which is run as it is.

Nothing of it is copied here: which tests there are, and what a test's environment is, the tree's
own modules and its ``check`` are asked.
"""

__all__ = ["KIT"]

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from goldlock.kits.qemu_iotests.kit import KIT


def __getattr__(name: str) -> object:
    """Load what is asked for: a supervisor of lock calls wants the words for bytes only."""
    if name == "KIT":
        from goldlock.kits.qemu_iotests.kit import KIT

        return KIT
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
