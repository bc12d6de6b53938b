#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to run a few cases of a large suite: no more than those few of a small one.

A suite of COUNT cases (default: 10000) and one of 20 are made; 20 cases are run of each, chosen
in all ways that there are. Medians of ROUNDS (default: 5) are told: seconds, and those of them on
a processor.

usage: tests/bench/selection.py [COUNT [ROUNDS]]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
FEW = 20


def suite(folder: Path, count: int) -> Path:
    """Make a suite whose last cases are of the group ``last``, and have an X in their names."""
    for name in ("cases", "expected"):
        (folder / name).mkdir(parents=True)
    for number in range(10001, 10001 + count):
        last = number > 10000 + count - FEW
        case = folder / "cases" / (f"{number}.X" if last else str(number))
        case.write_text(f"#!/bin/sh\n# group: {'last' if last else 'all'}\necho hello\n")
        case.chmod(0o755)
        (folder / "expected" / f"{number}.out").write_text("hello\n")
    return folder


def seconds(folder: Path, words: list[str]) -> tuple[float, float]:
    """Run cases; return how long it took, and how long on a processor."""
    command = [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(folder), *words]
    before, start = os.times(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took, after = time.monotonic() - start, os.times()
    assert f"{FEW} cases: {FEW} passed" in done.stdout, done.stdout + done.stderr
    return took, sum(after[2:4]) - sum(before[2:4])


def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        small, large = suite(Path(name, "small"), FEW), suite(Path(name, "large"), count)
        last = range(10001 + count - FEW, 10001 + count)
        ways = {
            f"all of {FEW}": (small, []),
            "--start-from": (large, ["--start-from", str(last[0])]),
            "names": (large, [str(number) for number in last]),
            "-g": (large, ["-g", "last"]),
            "-x": (large, ["-x", "all"]),
            "--shard": (large, ["--shard", f"1/{count // FEW}"]),
            "pytest's -k": (large, ["--", "-k", "X"]),
        }
        took: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, (folder, words) in ways.items():
                took[way].append(seconds(folder, words))
        print(f"{FEW} of {count} cases, medians of {rounds}")
        for way, times in took.items():
            wall, cpu = (median(each) for each in zip(*times, strict=True))
            print(f"{way:<12} {wall:6.2f} s  {cpu:6.2f} s on a processor")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [10000, 5][len(given) :]))
