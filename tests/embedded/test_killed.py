# SPDX-License-Identifier: GPL-2.0-or-later
"""Killed at its n-th call that changes a file or a lock, for every n: the image can be repaired.

The program kills itself with SIGKILL in place of the call, or after the first pages of a write,
which is where a kill can cut one.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.programs import MODULES, ROOT, TIME_LIMIT, environment, run

pytestmark = pytest.mark.real

# Words: the number of the call to be killed at, whether in the midst of it, a command line.
KILLED = f"""
import fcntl, os, sys
sys.path.insert(0, {str(ROOT / ".import")!r})
left, torn = int(sys.argv[1]), sys.argv[2] == "torn"

def mortal(call):
    def called(fd, *arguments):
        global left
        left -= 1
        if left == 0:
            if torn and call is pwrite and len(arguments[0]) > 4096:
                data, offset = arguments
                pwrite(fd, data[: len(data) // 8192 * 4096], offset)
            os.kill(os.getpid(), {int(signal.SIGKILL)})
        return call(fd, *arguments)
    return called

pwrite = os.pwrite
os.pwrite, os.ftruncate, fcntl.fcntl = map(mortal, (pwrite, os.ftruncate, fcntl.fcntl))
module = __import__(f"goldlock.embedded.{{sys.argv[3]}}.main", fromlist=["main"])
sys.exit(module.main(sys.argv[4:]))
"""

COMMANDS: dict[str, tuple[str, ...]] = {
    "write": ("qemu-io", "-c", "write -P 9 60k 100k", "t"),
    "discard": ("qemu-io", "-c", "discard 0 256k", "t"),
    "shrink": ("qemu-img", "resize", "--shrink", "t", "512k"),
    "grow": ("qemu-img", "resize", "t", "40M"),
    "commit": ("qemu-img", "commit", "t"),
    "rebase": ("qemu-img", "rebase", "-b", "", "t"),
}


@pytest.fixture(scope="module", params=[("16k", "whole"), ("64k", "torn")], ids=" ".join)
def fresh(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Return how to be killed, and a folder with the image t on base."""
    cluster, how = request.param
    folder = tmp_path_factory.mktemp("fresh")
    create = (
        "qemu-img",
        "real",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        f"cluster_size={cluster}",
    )
    write = ("qemu-io", "real", "-c")
    for words in (
        (*create, "base", "1M"),
        (*write, "write -P 1 0 200k", "base"),
        (*create, "-b", "base", "-F", "qcow2", "t"),
        (*write, "write -P 2 64k 64k", "t"),
        (*write, "write -P 3 100k 40k", "t"),
        ("qemu-img", "real", "resize", "-q", "t", "2M"),
        (*write, "write -P 4 1500k 20k", "t"),
        (*write, "write -P 5 130k 10k", "t"),
        ("qemu-img", "real", "resize", "-q", "--shrink", "t", "1M"),
    ):
        outcome = run(*words, cwd=folder)
        assert outcome.status == 0, outcome
    return how, folder


def _killed(folder: Path, n: int, how: str, name: str, *words: str) -> bool:
    """Run a program that is killed at its n-th call; return False when it did not get there."""
    argv = [sys.executable, "-I", "-S", "-c", KILLED, str(n), how, MODULES[name], name, *words]
    done = subprocess.run(
        argv, cwd=folder, env=environment(), capture_output=True, timeout=TIME_LIMIT, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done
    return done.returncode != 0


def _dangers(checked: str) -> list[str]:
    """Return the lines of a check that tell of a cluster which would be written in two places.

    That is one counted less often than it is referred to, or one with other users that an
    entry (its highest bit) calls its own. Leaks, and own ones not called so, do no harm.
    """
    found = []
    for line in checked.splitlines():
        if match := re.search(r"^ERROR cluster .*refcount=(\d+) reference=(\d+)", line):
            dangerous = int(match[1]) < int(match[2])
        elif match := re.search(r"^ERROR OFLAG_COPIED .*entry=(\w+) refcount=(\d+)", line):
            dangerous = int(match[1], 16) >> 63 == 1
        else:
            dangerous = line.startswith("ERROR") and "OFLAG_COPIED" not in line
        found += [line] if dangerous else []
    return found


def _points(fresh: Path, how: str, command: tuple[str, ...], folder: Path) -> Iterator[int]:
    """Yield the number of each call that the command was killed at, its images in `folder`."""
    n = 1
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, folder)
        if not _killed(folder, n, how, *command):
            return
        yield n
        n += 1


@pytest.mark.parametrize("what", COMMANDS)
def test_a_program_killed_at_any_call_leaves_what_can_be_repaired(
    what: str, fresh: tuple[str, Path], tmp_path: Path
) -> None:
    command, (how, start) = COMMANDS[what], fresh
    done = shutil.copytree(start, tmp_path / "done")
    assert run(command[0], "ours", *command[1:], cwd=done).status == 0
    folder = tmp_path / "run"
    points = 0
    for n in _points(start, how, command, folder):
        points = n
        for image in ("base", "t") if "commit" in command else ("t",):
            outcome = run("qemu-img", "real", "check", image, cwd=folder)
            assert not _dangers(outcome.stdout + outcome.stderr), n
            for repair in (("-r", "all"), ()):
                outcome = run("qemu-img", "real", "check", *repair, image, cwd=folder)
                assert outcome.status == 0, (n, outcome)
    assert points > 5
