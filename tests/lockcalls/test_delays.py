# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that stand still for a while before they are carried out."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.lockcalls.support import LOCKER, Run

Traced = Callable[[], list[str]]
LOCK = " ".join(LOCKER)


def test_a_call_goes_on_after_its_time(supervised: Run, image: Path, traced: Traced) -> None:
    began = time.monotonic()
    plan = "lock 1 is delayed for 200 ms once\nlock 2 fails with EIO"
    done = supervised([*LOCKER, str(image), "lock:1", "lock:1", "lock:2"], plan)
    assert time.monotonic() - began > 0.2
    assert done.stdout == "lock:1: ok\nlock:1: ok\nlock:2: EIO\n"
    results = [line.rpartition(": ")[2] for line in traced()]
    assert results == ["delayed 200 ms (injected)", "ok", "ok", "EIO (injected)"]


def test_others_are_served_meanwhile(supervised: Run, image: Path, traced: Traced) -> None:
    """It stands still for an hour: the one that is in its way comes and goes before that."""
    script = f"""
{LOCK} {image} lock:1 & until grep -q delayed trace; do :; done
{LOCK} {image} write:1 unlock:1
kill -9 $!; wait
"""
    plan = "lock 1 is delayed for 3600 s once"
    done = supervised(["sh", "-c", script], plan, cwd=image.parent)
    assert (done.stdout, done.returncode) == ("write:1: ok\nunlock:1: ok\n", 0)
    results = [line.rpartition(": ")[2] for line in traced()]
    assert results == ["delayed 3600000 ms (injected)", "ok", "ok"]


def test_a_signal_does_not_cut_it_short(supervised: Run, image: Path) -> None:
    code = (
        "import fcntl, os, signal, struct, sys\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('caught', flush=True))\n"
        "signal.siginterrupt(signal.SIGUSR1, True)\n"
        "if not os.fork():\n"
        "    while 'delayed' not in open('trace').read(): pass\n"
        "    os.kill(os.getppid(), signal.SIGUSR1)\n"
        "    os._exit(0)\n"
        "libc = __import__('ctypes').CDLL(None, use_errno=True)\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "got = libc.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack('@hhqqi4x', 0, 0, 1, 1, 0))\n"
        "os.wait()\n"
        "print(got)\n"
    )
    plan = "lock 1 is delayed for 300 ms"
    done = supervised([sys.executable, "-c", code, str(image)], plan, cwd=image.parent)
    assert (done.stdout, done.stderr) == ("caught\n0\n", "")
