#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the table of locks of a case costs where others have many locks and processes.

In turn, ROUNDS times (default: 5): with nothing beside the case, and with LOCKS locks (default:
10000) in PROCESSES processes (default: 1000) of others. Medians of the least times are
told in ms, and the median of the ratios, for each of

    held      `table` in a case whose four programs have a lock each
    waits     the same, and a fifth waits for one
    below     `locks_below`, for the first
    command   `goldlock locks` in a case, with its start
    by hand   `goldlock locks` elsewhere, where all processes are asked

usage: tests/bench/lock_table.py [LOCKS [PROCESSES [ROUNDS]]]
"""

import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".import"))

from goldlock.inspect.lock_table import locks_below, table  # noqa: E402 - after the path

TIMES = 8
COMMAND = [sys.executable, "-m", "goldlock", "locks"]


def milliseconds(actions: Sequence[Callable[[], object]]) -> list[float]:
    """Return the least of what each action takes: all else is other work of the machine."""
    least = [float("inf")] * len(actions)
    for _ in range(TIMES):
        for number, action in enumerate(actions):
            start = time.perf_counter()
            action()
            least[number] = min(least[number], (time.perf_counter() - start) * 1000)
    return least


def holder(top: Path, number: int) -> "subprocess.Popen[str]":
    script = f"exec 9>>{number}; flock 9; echo ready; read line"
    pipe = subprocess.PIPE
    started = subprocess.Popen(["sh", "-c", script], cwd=top, stdin=pipe, stdout=pipe, text=True)
    assert started.stdout
    started.stdout.readline()
    return started


def case(top: Path) -> None:
    """Measure in a process of a case; print a line of figures."""
    holders = [holder(top, number) for number in range(4)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / ".import")}
    elsewhere = {name: text for name, text in environ.items() if name != "TEST_DIR"}

    def locks(environ: dict[str, str]) -> Callable[[], None]:
        def run() -> None:
            line = [*COMMAND, str(top)]
            done = subprocess.run(line, env=environ, check=True, capture_output=True)
            assert done.stdout.count(b"holder") == 4, done.stdout

        return run

    in_process = [lambda: table(str(top)), lambda: locks_below(str(top))]
    held, below = milliseconds(in_process)
    command, by_hand = milliseconds([locks(environ), locks(elsewhere)])
    waiter = subprocess.Popen(["flock", str(top / "0"), "true"])
    while "contender" not in table(str(top)):
        os.sched_yield()
    (waits,) = milliseconds([lambda: table(str(top))])
    for each in holders:
        each.communicate()
    waiter.wait()
    print(held, waits, below, command, by_hand)


@contextmanager
def others(folder: Path, locks: int, processes: int) -> Iterator[None]:
    """Have processes that hold locks, all of them OFD locks on bytes of their own files."""
    end, (reader, writer) = os.pipe(), os.pipe()
    for number in range(processes):
        if os.fork() == 0:
            os.close(end[1])
            file = os.open(folder / f"{number}", os.O_RDWR | os.O_CREAT)
            for byte in range(number, locks, processes):
                lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * byte, 1, 0)
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
            os.write(writer, b"x")
            os.read(end[0], 1)
            os._exit(0)
    ready = 0
    while ready < processes:
        ready += len(os.read(reader, processes))
    yield
    for fd in (*end, reader, writer):
        os.close(fd)
    for _ in range(processes):
        os.wait()


def measure(folder: Path) -> list[float]:
    """Have a case, below a subreaper as in a run, and return its figures."""
    top = folder / "case" / "test"
    top.mkdir(parents=True, exist_ok=True)
    worker = (
        "import ctypes, subprocess, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0);"
        " subprocess.run(sys.argv[2:], env={'TEST_DIR': sys.argv[1]}, check=True)"
    )
    line = [sys.executable, "-c", worker, str(top), sys.executable, __file__, "--case", str(top)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def main(locks: int = 10000, processes: int = 1000, rounds: int = 5) -> None:
    """Print the figures."""
    alone, beside = [], []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            alone.append(measure(Path(name)))
            with others(Path(name), locks, processes):
                beside.append(measure(Path(name)))
    print(f"{'':10}{'alone':>10}{'beside':>10}{'ratio':>10}")
    for i, row in enumerate(("held", "waits", "below", "command", "by hand")):
        one, other = [each[i] for each in alone], [each[i] for each in beside]
        ratio = median(b / a for a, b in zip(one, other, strict=True))
        print(f"{row:10}{median(one):10.2f}{median(other):10.2f}{ratio:10.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        case(Path(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
