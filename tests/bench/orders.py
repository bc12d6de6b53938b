#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold what one order costs against its programs alone, and against a supervisor that only nods.

Each order is run in three ways, in turn: its programs one after the other, with nothing above
them; the same below the filter of orders, where each call is received and let through, with no look
at it; and as goldlock does. Of each, processor time is counted, with that of the programs.

usage: tests/bench/orders.py [ROUNDS [BUSY]]
       (default: 15 rounds, 0 busy loops beside; needs a real QEMU)
"""

import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".import"))

from goldlock.lockcalls.words import byte_words  # noqa: E402 - found by the line before
from goldlock.orders.jobs import Job  # noqa: E402 - as above
from goldlock.orders.play import Player  # noqa: E402 - as above
from goldlock.orders.programs import Programs  # noqa: E402 - as above
from goldlock.orders.scratch import copy_tree  # noqa: E402 - as above
from goldlock.orders.starter import Starter  # noqa: E402 - as above

SETUP = "qemu-img create -q -f qcow2 t.qcow2 32M"
COMMANDS = (
    ("qemu-img", "create", "-q", "-f", "qcow2", "t.qcow2", "64M"),
    ("qemu-io", "-c", "write -q 0 64k", "t.qcow2"),
)
ORDER = (("A", ""),) * 42 + (("B", ""),) * 6 + (("A", ""),) * 5 + (("B", ""),) * 9
"""The one in which the data of the writer is lost."""
TIMES = 10
"""Orders at a time: the kernel tells of the time of a running process by ticks of 10 ms."""


def alone(folder: Path) -> int:
    for command in COMMANDS:
        subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=True)
    return 0


def nodded(starters: list[Starter], folder: Path) -> int:
    """Run the programs, and let each of their calls through; return how many those were."""
    calls = 0
    for starter in starters:
        output = os.memfd_create("output")
        process = os.pidfd_open(starter.start(str(folder), output))
        poll = select.poll()
        poll.register(starter.listener.fd, select.POLLIN)
        poll.register(process, select.POLLIN)
        while starter.listener.fd in dict(poll.poll()):
            if starter.listener.wait():
                starter.listener.pass_on()
                calls += 1
        starter.clear()
        os.close(output)
        os.close(process)
    return calls


def played(player: Player, folder: Path) -> int:
    return len(player.play(Job(ORDER), str(folder)).ran.steps)


def used(starters: list[Starter]) -> float:
    """Return the seconds of a processor that all were on one: this, starters, programs."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for starter in starters:
        fields = Path(f"/proc/{starter.pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    rounds, busy = map(int, [*sys.argv[1:], *("15", "0")[len(sys.argv) - 1 :]])
    starters = [Starter(command) for command in COMMANDS]
    player = Player(starters, Programs(("creator", "writer"), COMMANDS, "", byte_words("qemu")))
    ways: dict[str, Callable[[Path], int]] = {
        "programs alone": alone,
        "each call let through": lambda folder: nodded(starters, folder),
        "an order": lambda folder: played(player, folder),
    }
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
            measure(ways, starters, Path(name), rounds)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        for starter in starters:
            starter.close()


def measure(
    ways: dict[str, Callable[[Path], int]], starters: list[Starter], top: Path, rounds: int
) -> None:
    template, folder = top / "template", top / "order"
    template.mkdir()
    subprocess.run(SETUP, shell=True, cwd=template, check=True)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    counts = {}
    for number in range(rounds + 1):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            before = used(starters)
            for _ in range(TIMES):
                copy_tree(template, folder)
                counts[way] = ways[way](folder)
                shutil.rmtree(folder)
            taken[way].append((used(starters) - before) * 1000 / TIMES)
    (bare, *_) = ways
    for way, values in taken.items():
        ratios = [value / base for value, base in zip(values, taken[bare], strict=True)][1:]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{way:<22} {counts[way]:>4} calls {median(values[1:]):5.1f} ms, ratio {spread}")


if __name__ == "__main__":
    main()
