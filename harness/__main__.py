# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock``, also started as ``python -m goldlock``.

With a word of `HELPERS` first, it is a helper that shell cases use, which has a reader of its
own for the words that follow.
"""

import os
import sys

if not __package__:  # run by its path, as bin/goldlock does: -I leaves the package out of sys.path
    package = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - it takes 5 ms to load
    sys.path[:0] = [os.path.dirname(package)]  # noqa: PTH120 - as above

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import NoReturn

HELPERS = {
    "faults": "goldlock.faults_command",
    "filter": "goldlock.filters.__main__",
    "locks": "goldlock.inspect.lock_table",
    "orders": "goldlock.orders_command",
    "show": "goldlock.case.show_command",
    "trace": "goldlock.trace_command",
    "wait": "goldlock.inspect.wait",
}
"""Modules whose ``main`` takes the words after the first, and returns an exit status."""


def start(checkout: str | None = None) -> "NoReturn":
    """Do what was typed, and end this process.

    *checkout* is the folder of the ``run_tests.py`` that was started, if it was that.
    """
    arguments = sys.argv[1:]
    if arguments[1:] == ["--version"] and arguments[0] in HELPERS:
        arguments = arguments[1:]
    if arguments and arguments[0] in HELPERS:
        from importlib import import_module

        _end(import_module(HELPERS[arguments[0]]).main(arguments[1:]))
    import gc

    gc.disable()  # loading makes much and drops little; goldlock.cli enables it again
    from pathlib import Path

    from goldlock.cli import main

    status = main(arguments, Path(checkout) if checkout else None)
    if "--self-test" in arguments:
        sys.exit(status)  # pytest tidies up its temporary directories at exit
    _end(status)


def _end(status: int) -> "NoReturn":
    """End at once: to take the interpreter down takes as long as a quick case."""
    if sys.stdout:  # who started this may have closed it
        sys.stdout.flush()
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:  # it is where that would be said
        status = status or 1
    os._exit(status)


if __name__ == "__main__":
    start()
