# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill runs at random moments, and look what the next run finds.

usage: python -m tests.attacks.kills [ROUNDS [SEED]]      (default: 200 of each kind, seed 1)

A kind is a plain run, ``--update``, ``--review``, and a run whose lock calls are made to fail. The
command is killed by SIGKILL: nobody cleans up. Then each golden is the old one or the new one,
whole; and when a run after it has ended, no process of the first is left, and no file. That run
begins once the workers of the first have seen it, which end their cases then: until they have, they
may still write a golden, and the next run would say that somebody changes it.
"""

import fcntl
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.attacks.apart import GOES_ON

ROOT = Path(__file__).resolve().parents[2]

LINES = 2000
OLD, NEW = "old\n" * LINES, "new\n" * LINES
CASES = 4
KINDS = {
    "run": [],
    "--update": ["--update", "--force"],
    "--review": ["--review", "--force"],
    "faults": [],
}
_PROMPT = b"accept?"
_LIMIT = 120.0


def suite(folder: Path, kind: str) -> None:
    """Make a suite whose cases print what is new, leave a process for a while, and lock."""
    for name in ("cases", "expected"):
        (folder / name).mkdir(parents=True)
    head = "# needs: faults\n" if kind == "faults" else ""
    for number in range(1, CASES + 1):
        case = folder / "cases" / f"{number}"
        lock = "flock f true\n" if number % 2 else "sleep 0.05\n"
        script = (
            f"#!/bin/sh\n{head}touch f x\nsleep 1000 & pid=$!\n{lock}yes new | head -n {LINES}\n"
        )
        case.write_text(f"{script}kill $pid; wait $pid 2>/dev/null; true\n")
        case.chmod(0o755)
        (folder / "expected" / f"{number}.out").write_text(
            NEW if kind in ("run", "faults") else OLD
        )


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a run, whose scratch directory is beside its suite."""
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**known, "TEST_DIR": str(folder.parent / "scratch")}


def command(folder: Path, *options: str) -> list[str]:
    """Return the command line of a run."""
    return [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(folder), "-j2", *options]


def start(folder: Path, options: list[str]) -> tuple[int, int]:
    """Start a run at a terminal of its own; return its pid and our end of the terminal."""
    variables = environment(folder)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(variables)
        os.execv(sys.executable, command(folder, *options))
    return pid, terminal


def run_until(folder: Path, options: list[str], seconds: float) -> bool:
    """Run and kill after some time; tell whether it was killed, and had not ended before."""
    pid, terminal = start(folder, options)
    os.set_blocking(terminal, False)
    deadline = time.monotonic() + seconds
    ended = 0
    while time.monotonic() < deadline and not ended:
        with suppress(OSError):
            if _PROMPT in os.read(terminal, 65536):  # it is read, or it would wait for who reads
                os.write(terminal, b"a\n")
        ended, _ = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(terminal)
    return not ended


def wait_for_workers(scratch: Path) -> None:
    """Wait until those of a killed run have seen it: its scratch directory is locked until then."""
    for mark in scratch.glob(".*.running"):
        with suppress(FileNotFoundError), mark.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def faults(folder: Path, kind: str) -> list[str]:
    """Return what is wrong after a kill, once another run has ended."""
    wait_for_workers(folder.parent / "scratch")
    found = []
    for golden in sorted((folder / "expected").glob("*.out")):
        if golden.read_text() not in (OLD, NEW):
            found.append("a half golden")
    environ = environment(folder)
    again = subprocess.run(
        command(folder, "--update", "--force"), env=environ, capture_output=True, text=True,
        check=False, timeout=_LIMIT,
    )  # fmt: skip
    if again.returncode or "Traceback" in again.stdout + again.stderr:
        said = [line for line in again.stdout.splitlines() if line[1:] not in ("new", "old")]
        found.append("\n".join(["the next run failed:", *said, again.stderr]))
    # What a run with differences has ended with is kept for who reviews it.
    found += [
        f"left: {path.name}"
        for path in (folder.parent / "scratch").iterdir()
        if kind != "--review" or path.name.endswith(".running")
    ]
    known = {f"{number}.out" for number in range(1, CASES + 1)}
    found += [f"left: {p.name}" for p in (folder / "expected").iterdir() if p.name not in known]
    return found


def one(kind: str, seconds: float) -> int:
    """Make one attack, as the first process of a namespace; print what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "suite")
        suite(folder, kind)
        killed = run_until(folder, KINDS[kind], seconds)
        found = faults(folder, kind)
        for each in found:
            print(each)  # noqa: T201 - to who started it
        shutil.rmtree(folder)
        return 1 if found else (0 if killed else 3)


def main(rounds: int, seed: int) -> int:
    """Make *rounds* attacks of each kind; print a line for each kind."""
    chance, bad = random.Random(seed), 0
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
    for kind, options in KINDS.items():
        with tempfile.TemporaryDirectory() as name:
            suite(Path(name, "suite"), kind)
            began = time.monotonic()
            run_until(Path(name, "suite"), options, _LIMIT)
            whole = time.monotonic() - began
        seen: Counter[str] = Counter()
        for number in range(rounds):
            moment = chance.uniform(0.02, whole)
            line = [
                sys.executable,
                "-m",
                "tests.attacks.apart",
                sys.executable,
                "-m",
                __spec__.name,
            ]
            done = subprocess.run(
                [*apart, *line, "--one", kind, f"{moment:.3f}"],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            word = {0: "killed", 3: "ended before", GOES_ON: "processes left"}
            seen[word.get(done.returncode, "bad")] += 1
            if done.returncode not in (0, 3):
                bad += 1
                said = f"{kind}, round {number}, killed after {moment:.3f} s: {done.stdout}"
                print(said, done.stderr, flush=True)  # noqa: T201 - as above
        told = ", ".join(f"{count} {word}" for word, count in sorted(seen.items()))
        print(f"{kind}: {rounds} attacks in {whole:.2f} s each: {told}", flush=True)  # noqa: T201 - as above
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.exit(one(sys.argv[2], float(sys.argv[3])))
    sys.exit(main(*([int(word) for word in sys.argv[1:]] + [200, 1][len(sys.argv) - 1 :])))
