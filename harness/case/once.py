# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run makes once for all of its cases, as it takes long: a cluster, an image, a program."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable

from goldlock.case import stack_dump
from goldlock.errors import CaseError
from goldlock.lockcalls import FAULTS_VARIABLE

_WORD = re.compile(r"[A-Za-z0-9_-]{1,250}")
"""A name: it has no dot, so that none is the mark of another one, NAME.lock or NAME.done.

These have 255 bytes at most, as a file's name has.
"""


def made_once(run: str, own: str, name: str, make: Callable[[str], object]) -> str:
    """Return the folder *name* below *run*, which is common to all cases; see `Case.once`.

    Below a supervisor it is one below *own*: who comes first would have the calls in its trace.

    Raises CaseError for a name that is not one plain word, as what it names may be removed.
    """
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise CaseError(f"once: {name!r}: expected a name of 1 to 250 letters, digits, - and _")
    if not run or os.environ.get(FAULTS_VARIABLE):
        return _made(f"{own}/{name}", make)
    os.makedirs(run, exist_ok=True)  # noqa: PTH103 - as in all that cases load
    lock = os.open(f"{run}/{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with stack_dump.waiting_for(f"another case to make {name}"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        return _made(f"{run}/{name}", make)
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # what was started may have it open, too
        os.close(lock)


def _made(folder: str, make: Callable[[str], object]) -> str:
    done = f"{folder}.done"
    if not os.path.exists(done):  # noqa: PTH110 - as above
        shutil.rmtree(folder, ignore_errors=True)  # of one that came to no end
        os.makedirs(folder)  # noqa: PTH103 - as above
        make(folder)
        os.close(os.open(done, os.O_WRONLY | os.O_CREAT, 0o666))
    return folder
