# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads that are not what their process is, and more of them than a supervisor may open files."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls.api import wrap

from tests.lockcalls.support import Run

Traced = Callable[[], list[str]]

OWN_FILES = """
import ctypes, fcntl, os, threading
def flock(fd):
    try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error: return error.strerror
    return "ok"
def act():
    assert ctypes.CDLL(None).unshare(0x400) == 0  # CLONE_FILES
    own = os.open("own", os.O_RDWR | os.O_CREAT)
    opened.set()
    goes_on.wait()
    print(flock(own), flock(os.open("own", os.O_RDWR)))
opened, goes_on = threading.Event(), threading.Event()
thread = threading.Thread(target=act)
thread.start()
opened.wait()
other = os.open("other", os.O_RDWR | os.O_CREAT)  # of the same number
goes_on.set()
thread.join()
"""

WITHOUT_A_FIRST = """
import ctypes, fcntl, os, threading
def act():
    stat = f"/proc/{os.getpid()}/stat"
    while open(stat).read().rpartition(")")[2].split()[0] != "Z": pass
    fcntl.flock(os.open("own", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(1, b"ok\\n")
    os._exit(0)
threading.Thread(target=act).start()
ctypes.CDLL(None).syscall(NUMBER, 0)  # exit of the first thread alone
"""
EXIT = {"x86_64": "60", "aarch64": "93"}

MANY = """
import os, threading
def act(folder):
    os.mkdir(folder)
    os.rename(folder, f"{folder}-new")
    done.release()
    end.wait()
done, end = threading.Semaphore(0), threading.Event()
threads = [threading.Thread(target=act, args=[f"{number}"]) for number in range(80)]
for thread in threads: thread.start()
for thread in threads: done.acquire()
end.set()
"""


def _has_own_descriptor() -> bool:
    """Tell whether the kernel gives copies of a thread's descriptors: Linux 6.9."""
    try:
        os.close(os.pidfd_open(threading.get_native_id(), os.O_EXCL))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("code", "said", "results"),
    [
        (OWN_FILES, "ok Resource temporarily unavailable\n", ["ok", "EAGAIN"]),
        (WITHOUT_A_FIRST.replace("NUMBER", EXIT[os.uname().machine]), "ok\n", ["ok"]),
    ],
)
def test_threads_that_are_not_what_their_process_is(  # noqa: PLR0917 - fixtures and a row
    supervised: Run, tmp_path: Path, traced: Traced, code: str, said: str, results: list[str]
) -> None:
    """Their descriptors are not the first thread's; before Linux 6.9 that much is told."""
    done = supervised([sys.executable, "-ISc", code], cwd=tmp_path)
    assert (done.stdout, done.stderr) == (said, "")
    if _has_own_descriptor():
        told = [f"flock of TEST_DIR/own, exclusive: {result}" for result in results]
    else:
        told = ["lock call that cannot be read (EBADF): unseen"] * len(results)
    assert [line.partition(": ")[2] for line in traced()] == told


def test_more_threads_than_the_limit_of_files(
    supervised: Run, tmp_path: Path, traced: Traced
) -> None:
    """Of each that has made a file the folder is kept open; the limit is the program's alone."""
    script = """ulimit -Sn 64; exec "$@" """
    line = wrap([sys.executable, "-ISc", MANY], (), tmp_path / "trace", files=True)
    subprocess.run(["sh", "-c", script, "sh", *line], cwd=tmp_path, check=True, timeout=120)
    assert len(traced()) == 160
    assert all(line.endswith(": ok") for line in traced())
