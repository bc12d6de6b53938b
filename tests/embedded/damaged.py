# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged images through each command, in processes of their own.

`python -m tests.embedded.damaged COUNT SEED` tells how often each ended how. No command may
hang, show a traceback or write over what identifies the image.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from goldlock.embedded.common import report
from goldlock.embedded.img.main import main as img
from goldlock.embedded.io.main import main as io

from tests.embedded.conftest import make_images

TIME_LIMIT = 10
"""Seconds that a command has for an image."""
CLUSTER = 65536
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("img", "info", "t"),
    ("img", "check", "t"),
    ("img", "map", "t"),
    ("img", "compare", "t", "other"),
    ("img", "convert", "-O", "qcow2", "t", "new"),
    ("img", "resize", "t", "40M"),
    ("img", "resize", "--shrink", "t", "1M"),
    ("img", "commit", "t"),
    ("img", "rebase", "-u", "-b", "", "t"),
    ("img", "amend", "-o", "size=6M", "t"),
    ("img", "bench", "-w", "-c", "1", "t"),
    ("io", "-c", "write 0 200k", "-c", "write -z 1M 1M", "-c", "discard 0 4M", "t"),
    ("io", "-c", "write 2M 100k", "-c", "read 0 4M", "-c", "truncate 8M", "t"),
)
# What makes the first cluster the header of this image: magic, version, cluster size.
_IDENTITY = (slice(0, 8), slice(20, 24))


def damage(data: bytearray, chance: random.Random) -> bytearray:
    """Return an image with something wrong in header, tables, refcounts, or its length."""
    kind = chance.randrange(5)
    if kind == 0:
        return data[: chance.randrange(0, len(data), 512)]
    start, length = ((24, 88), (CLUSTER, 32), (2 * CLUSTER, 32), (3 * CLUSTER, 16))[kind - 1]
    tables = [start + chance.randrange(length) for _ in range(chance.choice((1, 1, 2, 4)))]
    l2 = int.from_bytes(data[3 * CLUSTER : 3 * CLUSTER + 8], "big") & 0xFFFFFFFFFE00
    if chance.random() < 0.3:
        tables.append(l2 + chance.randrange(600))
    for at in tables:
        data[at] = chance.choice((0, 1, 2, 3, 0x40, 0x80, 0xFF, chance.randrange(256)))
    if chance.random() < 0.2:
        data[start : start + 8] = bytes(8)
    return data


def attempt(command: tuple[str, ...], folder: Path) -> str:
    """Run a command in a child, in *folder*; return how it ended, and what it said if badly."""
    said = folder / "said"
    pid = os.fork()
    if not pid:
        status = 99
        try:
            signal.alarm(TIME_LIMIT)
            os.chdir(folder)
            text = StringIO()
            with redirect_stdout(text), redirect_stderr(text):
                report.set_program(command[0])
                status = {"img": img, "io": io}[command[0]]([f"qemu-{command[0]}", *command[1:]])
        except BaseException as error:
            said.write_text(repr(error))
        finally:
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    if os.WIFSIGNALED(ended):
        return f"signal {os.WTERMSIG(ended)}"
    status = os.WEXITSTATUS(ended)
    return f"status {status}" if status != 99 else f"traceback: {said.read_text()}"


def run(count: int, seed: int = 1) -> Counter[str]:
    """Send *count* damaged images through each command; return how often each ended how."""
    chance = random.Random(seed)
    endings: Counter[str] = Counter()
    top = Path(tempfile.mkdtemp())
    make_images(top)
    good = (top / "t").read_bytes()
    for _ in range(count):
        bad = bytes(damage(bytearray(good), chance))
        for command in COMMANDS:
            folder = Path(tempfile.mkdtemp(dir=top))
            for name in ("base", "other"):
                shutil.copy(top / name, folder)
            (folder / "t").write_bytes(bad)
            ending = attempt(command, folder)
            with (folder / "t").open("rb") as file:
                after = file.read(512)  # the whole may be as long as the damage says
            if any(after[part] != bad[part] for part in _IDENTITY):
                ending = f"header overwritten by {' '.join(command)}"
            elif not ending.startswith("status"):
                ending += f" of {' '.join(command)}"
            endings[ending] += 1
            shutil.rmtree(folder)
    shutil.rmtree(top)
    return endings


if __name__ == "__main__":
    for what, times in run(int(sys.argv[1]), int(sys.argv[2])).most_common():
        print(f"{times:7} {what}")  # noqa: T201 - it is what it is for
