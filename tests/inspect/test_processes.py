# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes are ended whole."""

import subprocess
import sys
from pathlib import Path

from goldlock.inspect import processes

_TREE = """
import os, pathlib, signal
def woken(*_):
    pathlib.Path(f"woken-{os.getpid()}").touch()
ready, told = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, woken)
        os.write(told, b".")
        while True:
            signal.pause()
for _ in range(20):
    os.read(ready, 1)
print("ready", flush=True)
signal.pause()
"""


def test_nothing_of_a_tree_goes_on_while_it_is_killed(tmp_path: Path) -> None:
    """The kernel continues what is stopped, in a group of its own, once its parent has ended."""
    with subprocess.Popen(
        [sys.executable, "-c", _TREE], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    ) as tree:
        assert tree.stdout
        assert tree.stdout.readline() == b"ready\n"
        assert len(processes.kill_tree(tree.pid)) == 21
    assert [*tmp_path.iterdir()] == []
