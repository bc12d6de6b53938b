# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock: golden-output regression tests for programs that fight over locks.

What a case imports: ``from goldlock import Case, run``. A kit has a Case with more, such as
``from goldlock.kits.qemu import Case, run``.
"""

import os
import sys

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from goldlock.case.case import Case as Case
    from goldlock.case.run import run as run

__version__ = "0.2.0.dev0"

IMPORTED_FROM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - loaded by all
"""The folder on ``sys.path`` that this package was found in."""


_ROOM = 16 * 1024 * 1024


def may_be_cut(folder: str) -> bool:
    """Tell whether what is written to a folder may not fit: a full disk, or ``ulimit -f``.

    Python 3.11 does not look whether all of a module's bytecode was written. Where it was not, no
    run can load the module from then on: ``EOFError: marshal data too short``.
    """
    try:
        with open("/proc/self/limits", "rb") as limits:  # noqa: PTH123 - as above
            limited = b"Max file size             unlimited" not in limits.read()
        room = os.statvfs(folder)
    except OSError:  # nobody can tell
        return False
    return limited or room.f_bavail * room.f_frsize < _ROOM


if not sys.dont_write_bytecode and may_be_cut(sys.pycache_prefix or IMPORTED_FROM):
    sys.dont_write_bytecode = True
    try:
        if __spec__ and __spec__.cached:  # what is loaded from a zip file has none
            os.unlink(__spec__.cached)  # noqa: PTH108 - as above; it may be cut
    except OSError:
        pass


def __getattr__(name: str) -> object:
    """Load what a case wants when it asks: the runner, and programs, do without."""
    if name not in ("Case", "run"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from goldlock.case.case import Case
    from goldlock.case.run import run

    return Case if name == "Case" else run
