#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a command as the first process of a PID namespace; tell of what goes on after it.

usage: unshare --pid --fork --mount --mount-proc apart.py COMMAND [ARGUMENT ...]

Exit status: the command's, or 99 where processes go on for 30 s; each is named on standard output.
Those that are left end with this process, whatever they do.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress

GOES_ON = 99
_LIMIT = 30.0


def living() -> list[str]:
    """Return the names of all other processes of this namespace, but for zombies."""
    found = []
    for pid in os.listdir(_PROC):  # noqa: PTH208 - by its descriptor
        if not pid.isdecimal() or int(pid) == os.getpid():
            continue
        with suppress(OSError):  # it has ended
            file = os.open(f"{pid}/stat", os.O_RDONLY, dir_fd=_PROC)
            name, _, rest = os.read(file, 4096).decode().partition("(")[2].rpartition(")")
            os.close(file)
            if rest.split()[0] not in "ZX":
                found.append(f"{name} (pid {pid})")
    return found


if __name__ == "__main__":
    _PROC = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)  # whatever the command mounts there
    status = subprocess.run(sys.argv[1:], check=False).returncode
    deadline = time.monotonic() + _LIMIT
    while (left := living()) and time.monotonic() < deadline:
        time.sleep(0.01)
    for each in left:
        print(f"goes on: {each}")  # noqa: T201 - for whoever looks at the test
    sys.exit(GOES_ON if left else status)
