# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock``, also started as ``python -m goldlock``."""

import gc
import os
import sys
from pathlib import Path
from typing import NoReturn


def start(checkout: Path | None = None) -> NoReturn:
    """Do what was typed, and end this process.

    *checkout* is the folder of the ``run_tests.py`` that was started, if it was that.
    """
    gc.disable()  # loading makes much and drops little; goldlock.cli enables it again
    from goldlock.cli import main

    arguments = sys.argv[1:]
    status = main(arguments, checkout)
    if "--self-test" in arguments:
        sys.exit(status)  # pytest tidies up its temporary directories at exit
    # To take the interpreter down takes as long as a quick case, and nothing is left to do.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    start()
