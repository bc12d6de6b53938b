# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock faults, started by itself: see goldlock.lockcalls.command.

Python compiles the file that it is told to run each time: hence there is next to nothing in it.
"""

import os
import sys

if not __package__:  # run by its path, as wrap() does: -I leaves the checkout out of sys.path
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - it takes 5 ms to load
    sys.path.insert(0, os.path.dirname(package))  # noqa: PTH120 - as above

from goldlock.lockcalls.command import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # nothing to finalize: saves 3 ms
