"""python -m harness.faults: see harness.faults.command.

Python compiles the file that it is told to run each time: hence there is next to nothing in it.
"""

import os
import sys

if not __package__:  # run by its path, as wrap() does: -I leaves the checkout out of sys.path
    sys.path.insert(0, __file__.rpartition("/harness/faults/")[0])

from harness.faults.command import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # nothing to finalize: saves 3 ms
