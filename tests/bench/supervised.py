#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold a case under the supervisor of lock calls, without a plan or a trace, against it bare.

The case is started as the runner starts it, and in the environment that it has there: with its
parts one after the other, as under ``--trace-locks``, and with its parts side by side. Both are
run in turn, each the first in every other pair, and their times compared pair by pair, since
machines are noisy.

usage: tests/bench/supervised.py [ROUNDS [BUSY [CASE]]]
       (default: 15 rounds, 0 busy loops beside, case 153; needs a real QEMU)
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".import"))

from goldlock.lockcalls.api import unavailable  # noqa: E402 - found by the line before
from goldlock.runner.spawn import Start, spawn  # noqa: E402 - as above
from goldlock.runner.supervision import under_supervision  # noqa: E402 - as above

Pairs = list[tuple[tuple[float, float], tuple[float, float]]]

ASK = "#!/bin/sh\n# formats: qcow2\n# protocols: file\nexec env -0\n"


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a case, as a case sees it that the runner starts."""
    suite = folder / "suite"
    for name in ("cases", "expected"):
        (suite / name).mkdir(parents=True)
    (suite / "suite.toml").write_text('kit = "qemu"\n')
    ask = suite / "cases" / "000"
    ask.write_text(ASK)
    ask.chmod(0o755)
    subprocess.run(
        [sys.executable, ROOT / "run_tests.py", "--suite", suite, "--keep", "000"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TEST_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        check=False,  # it has no golden
    )
    (output,) = folder.glob("*/000/output")
    pairs = output.read_text().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def seconds(start: Start, argv: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Run a case in fresh directories; return its wall time and the processor time of all."""
    test = Path(environ["TEST_DIR"])
    for folder in (test, Path(environ["SOCK_DIR"])):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - no file
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        pid = start(argv, environ, test, nowhere.fileno())
        assert os.waitpid(pid, 0)[1] == 0, "the case fails"
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(argv: list[str], environ: dict[str, str], rounds: int) -> Pairs:
    """Return for each pair what it took under the supervisor, and bare; the first warms up."""
    pairs = []
    supervised = under_supervision(None)
    for number in range(rounds + 1):
        if number % 2:
            ours, bare = seconds(supervised, argv, environ), seconds(spawn, argv, environ)
        else:
            bare, ours = seconds(spawn, argv, environ), seconds(supervised, argv, environ)
        pairs.append((ours, bare))
    return pairs[1:]


def main() -> None:
    rounds, busy, case = [*sys.argv[1:], *("15", "0", "153")[len(sys.argv) - 1 :]]
    if reason := unavailable():
        sys.exit(f"no supervisor here: {reason}")
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(int(busy))]
    try:
        with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
            argv = [sys.executable, str(ROOT / "cases" / f"{case}.py")]
            environ = environment(Path(name))
            for parts, alone in (("one after the other", "yes"), ("side by side", "")):
                chosen = {**environ, "GOLDLOCK_SERIAL": alone}
                pairs = measured(argv, chosen, int(rounds))
                print(f"case {case}, parts {parts}, {rounds} pairs, {busy} busy loops;", end=" ")
                print("median (minimum to maximum)")
                tell(pairs)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def tell(pairs: Pairs) -> None:
    for index, what in enumerate(("wall", "processor")):
        for title, values, unit in (
            ("supervised", [ours[index] for ours, _ in pairs], " s"),
            ("bare", [bare[index] for _, bare in pairs], " s"),
            ("difference", [1000 * (ours[index] - bare[index]) for ours, bare in pairs], " ms"),
            ("ratio", [ours[index] / bare[index] for ours, bare in pairs], ""),
        ):
            spread = f"({min(values):.3f} to {max(values):.3f})"
            print(f"  {what + ', ' + title:<22} {median(values):.3f}{unit} {spread}")


if __name__ == "__main__":
    main()
