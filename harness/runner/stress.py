# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that is busy, and programs that start a little later than asked: to shake out races."""

import os
import subprocess
import sys

from goldlock.runner.jobs import processors

_BURN = """\
import os
os.set_blocking(0, False)
while True:
    try:
        if not os.read(0, 1):
            break  # who wanted this has gone, even by SIGKILL
    except BlockingIOError:
        pass
"""

LATER = ("/bin/sh", "-c", 'sleep "0.00$(($$ % 90 + 10))"; exec "$@"', "sh")
"""A command that starts a program after 1 to 9.9 ms: its process id says how many."""


class BusyProcessors:
    """Keeps each processor busy, until it is closed."""

    def __init__(self) -> None:
        self._burning = [
            subprocess.Popen(
                [sys.executable, "-IS", "-c", _BURN],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=os.sep,
                start_new_session=True,
            )
            for _ in range(processors())
        ]

    def close(self) -> None:
        """Let the processors go."""
        for process in self._burning:
            process.communicate()
