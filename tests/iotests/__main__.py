# SPDX-License-Identifier: GPL-2.0-or-later
"""Run QEMU's own tests with its ``check`` and with goldlock, and hold the verdicts side by side.

    python -m tests.iotests [--format FORMAT ...] [--runs N] [-- WORDS FOR BOTH]

The tree is made from Debian's source package of the installed QEMU, below a scratch folder, by apt:
nothing of this system is changed, nothing of the tree is kept in goldlock. Where QEMU has no
qtest, both have the same stand-in. A test whose verdict with check is not the same in all runs is
flaky, and told as such. WORDS are those that choose tests (default: -g quick).

Exit status: 1 where a verdict, or the reason of a test that was not run, is another; where the
tree is not as it was; or where a process is left.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".import"))  # `goldlock` is harness/

from goldlock.errors import UsageError
from goldlock.kits.qemu.environment import VARIABLES
from goldlock.kits.qemu.probe import locate
from goldlock.kits.qemu_iotests import qtest

from tests.iotests.source import Failed, tree

_LINE = re.compile(r"(\S+) +(pass|fail|not run) +\[[\d:]+\] \[[\d:]+\] *(?:[\d.]+s|\.\.\.) *(.*)")
_STATES = {"passed": "pass", "failed": "fail", "not run": "not run"}


class Outcome(NamedTuple):
    """A test's verdict as check says it, and its reason where it was not run."""

    verdict: str
    reason: str = ""


class Side(NamedTuple):
    """What a runner made of each test, how long it took, and what it used of processors."""

    outcomes: Mapping[str, Outcome]
    seconds: float
    cpu: float


def main(arguments: Sequence[str]) -> int:
    """Compare; return 1 for a difference, 2 for what cannot be."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.iotests", description=__doc__)
    parser.add_argument("--format", action="append", dest="formats", metavar="FORMAT")
    parser.add_argument("--runs", type=int, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/goldlock/iotests")
    options = parser.parse_args(arguments[:at])
    words = [*arguments[at + 1 :]] or ["-g", "quick"]
    try:
        source = tree(options.folder.absolute())
        programs = _programs(options.folder.absolute())
        same = [
            _compare(source, programs, [f"-{each}", *words], options.runs)
            for each in options.formats or ("qcow2", "raw")
        ]
    except (Failed, UsageError) as error:
        print(f"tests.iotests: {error}", file=sys.stderr)
        return 2
    return int(not all(same))


def _programs(folder: Path) -> dict[str, str]:
    """Return the variables that name the programs, with the stand-in where there is no qtest."""
    paths, missing = locate(os.environ)
    for why in missing.values():
        raise Failed(why)
    if not qtest.works(paths["qemu-system"], os.environ):
        shutil.rmtree(folder / "standin", ignore_errors=True)
        paths["qemu-system"] = qtest.stand_in(paths["qemu-system"], folder / "standin")
    return {VARIABLES[name]: path for name, path in paths.items()}


def _compare(source: Path, programs: Mapping[str, str], words: Sequence[str], runs: int) -> bool:
    """Run both, one after the other, as often as is said; tell whether they say the same."""
    sides: dict[str, list[Side]] = {"check": [], "goldlock": []}
    for _ in range(runs):
        sides["check"].append(_check(source, programs, words))
        before = _processes()
        sides["goldlock"].append(_goldlock(source, programs, words))
        if left := _processes() - before:
            print(f"{' '.join(words)}: processes left: {' '.join(sorted(left))}")
            return False
    for name, each in sides.items():
        times = ", ".join(f"{side.seconds:.0f} s (CPU {side.cpu:.0f} s)" for side in each)
        print(f"{' '.join(words)}: {name}: {times}")
    said = [*_differences(*sides.values())]
    for line in (*said, *(dirty := _changed(source))):
        print(f"{' '.join(words)}: {line}")
    different = [line for line in said if not line.startswith("flaky")]
    print(f"{' '.join(words)}: {len(sides['check'][0].outcomes)} tests, {len(different)} differ")
    return not (different or dirty)


def _differences(check: Sequence[Side], ours: Sequence[Side]) -> list[str]:
    said = []
    for test in sorted({name for side in (*check, *ours) for name in side.outcomes}):
        theirs = [side.outcomes.get(test, Outcome("absent")) for side in check]
        mine = [side.outcomes.get(test, Outcome("absent")) for side in ours]
        if len({*theirs}) > 1 or any(each.verdict == "flaky" for each in mine):
            shown = [each.verdict for each in (*theirs, *mine)]
            said.append(f"flaky {test}: {', '.join(shown)}")
        elif {*theirs} != {*mine}:
            said.append(f"DIFFERS {test}: check {theirs[0]}, goldlock {mine[0]}")
    return said


def _check(source: Path, programs: Mapping[str, str], words: Sequence[str]) -> Side:
    """Run check in a copy of the tree, into which it writes."""
    work = source.parent / "for-check"
    shutil.rmtree(work, ignore_errors=True)
    (work / "tests").mkdir(parents=True)
    shutil.copytree(source / "tests/qemu-iotests", work / "tests/qemu-iotests", symlinks=True)
    shutil.copytree(source / "python", work / "python", symlinks=True)
    environ = {**os.environ, **programs, "TEST_DIR": str(work / "scratch")}
    command = ["./check", "-j", str(os.cpu_count()), *words]
    done, seconds, cpu = _timed(command, work / "tests/qemu-iotests", environ)
    outcomes = {}
    for line in done.split("\n"):
        if found := _LINE.match(line):
            reason = found[3].strip() if found[2] == "not run" else ""
            outcomes[found[1]] = Outcome(found[2], reason.replace(f"{work}/", ""))
    if not outcomes:
        raise Failed(f"check {' '.join(words)}: {done.strip()[-300:]}")
    return Side(outcomes, seconds, cpu)


def _goldlock(source: Path, programs: Mapping[str, str], words: Sequence[str]) -> Side:
    told = source.parent / "told.jsonl"
    command = [sys.executable, str(ROOT / "run_tests.py"), "--json-lines", str(told)]
    command += ["--suite", str(source / "tests/qemu-iotests"), *words]
    done, seconds, cpu = _timed(command, source.parent, {**os.environ, **programs})
    outcomes = {}
    for event in map(json.loads, told.read_text().splitlines()):
        if event["event"] == "case":
            flaky = 0 < event["failed_runs"] < event["runs"]
            verdict = "flaky" if flaky else _STATES[event["state"]]
            outcomes[event["number"]] = Outcome(verdict, event["reason"].replace(f"{source}/", ""))
    if not outcomes:
        raise Failed(f"goldlock {' '.join(words)}: {done.strip()[-300:]}")
    return Side(outcomes, seconds, cpu)


def _timed(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> tuple[str, float, float]:
    """Run a command; return what it printed, and the seconds that went by, and of processors."""
    began, used = time.monotonic(), os.times()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    now = os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return done.stdout, time.monotonic() - began, cpu


def _processes() -> set[str]:
    """Return the processes of QEMU's programs, by pid and name."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text().strip()
        except OSError:  # it has ended
            continue
        if name.startswith("qemu-"):
            found.add(f"{name}({comm.parent.name})")
    return found


def _changed(source: Path) -> list[str]:
    """Return what git sees of the tree that is not as it was."""
    command = ["git", "status", "--porcelain", "--ignored"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    return [f"the tree is not as it was: {line}" for line in done.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
