# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock: golden-output regression tests for programs that fight over locks.

What a case imports: ``from goldlock import Case, run``. A kit has a Case with more, such as
``from goldlock.kits.qemu import Case, run``.
"""

import os

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from goldlock.case.case import Case as Case
    from goldlock.case.run import run as run

__version__ = "0.2.0.dev0"

IMPORTED_FROM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - loaded by all
"""The folder on ``sys.path`` that this package was found in."""


def __getattr__(name: str) -> object:
    """Load what a case wants when it asks: the runner, and programs, do without."""
    if name not in ("Case", "run"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from goldlock.case.case import Case
    from goldlock.case.run import run

    return Case if name == "Case" else run
