# SPDX-License-Identifier: GPL-2.0-or-later
"""The kit for QEMU: images, monitors, holders, and what QEMU says.

What a case of QEMU imports: ``from goldlock.kits.qemu import Case, run``.
"""

from collections.abc import Callable

__all__ = ["KIT", "Case", "run"]

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from goldlock.kits.qemu.case import QemuCase as Case
    from goldlock.kits.qemu.kit import KIT


def run(main: "Callable[[Case], object]") -> None:
    """Run a case script's *main* with a Case of QEMU; see `goldlock.case.run.run`."""
    from goldlock.case.run import run_with
    from goldlock.kits.qemu.case import QemuCase

    run_with(QemuCase.from_environ, main)


def __getattr__(name: str) -> object:
    """Load what is asked for: a case does without the runner's part, the runner without its."""
    if name == "Case":
        from goldlock.kits.qemu.case import QemuCase

        return QemuCase
    if name == "KIT":
        from goldlock.kits.qemu.kit import KIT

        return KIT
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
