#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold a run of 153 and 182 against the bare floor: their own command lines, replayed.

The floor is a shell script that starts each program that the cases started, one after the
other, with its output thrown away: no harness, no filters, no goldens, also nothing at the same
time where the parts of a case run side by side. Programs that stay
are told to quit as soon as they greet. Both are run in turn, and their times compared
pair by pair, since machines are noisy.

usage: tests/bench/floor.py [ROUNDS]        (default: 9; needs a real QEMU)
"""

import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, str(ROOT / "run_tests.py"), "153", "182"]
QUIT = "{'execute':'qmp_capabilities'}\n{'execute':'quit'}\n"


def measured(command: list[str], **variables: str) -> tuple[float, float]:
    """Run a command; return its wall time and the processor time of all it started, in s."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_script(folder: Path) -> tuple[Path, int]:
    """Run the cases once, and write down what they started as a shell script."""
    subprocess.run(
        [*RUN, "--keep"],
        env={**os.environ, "TEST_DIR": str(folder / "run")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (scratch,) = (folder / "run").iterdir()
    (folder / "hmp").write_text("quit\n")
    (folder / "qmp").write_text(QUIT)
    lines = ["#!/bin/sh"]
    for case in sorted(scratch.iterdir()):
        test = case / "test"
        folders = sorted(str(each) for each in test.rglob("*") if each.is_dir())  # of its parts
        lines += [f"rm -rf {test}; mkdir -p {shlex.join([str(test), *folders])}; cd {test}"]
        for line in re.findall(r"^\$ (.+)$", (case / "log").read_text(), re.M):
            argv = shlex.split(line)
            told = folder / ("qmp" if "-qmp" in argv else "hmp")
            lines.append(f"{shlex.join(argv)} <{told} >/dev/null 2>&1")
    lines.append("exit 0")
    script = folder / "replay"
    script.write_text("\n".join(lines) + "\n")
    return script, sum(" <" in line for line in lines)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
        script, commands = write_script(Path(name))
        pairs = []
        for _ in range(rounds + 1):
            ours = measured(RUN, TEST_DIR=name)
            floor = measured(["sh", str(script)])
            pairs.append((ours, floor))
        pairs = pairs[1:]  # the first warmed up
    print(f"{commands} command lines, {rounds} pairs; median (minimum to maximum)")
    for index, what in enumerate(("wall", "processor")):
        ours = [pair[0][index] for pair in pairs]
        floor = [pair[1][index] for pair in pairs]
        ratios = [a / b for a, b in zip(ours, floor, strict=True)]
        for title, values, unit in (
            (f"{what}, run_tests.py", ours, " s"),
            (f"{what}, floor", floor, " s"),
            (f"{what}, ratio", ratios, ""),
        ):
            spread = f"({min(values):.2f} to {max(values):.2f})"
            print(f"  {title:<24} {median(values):.2f}{unit} {spread}")


if __name__ == "__main__":
    main()
