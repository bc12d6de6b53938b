# SPDX-License-Identifier: GPL-2.0-or-later
"""Run QEMU's own tests with its ``check`` and with goldlock, and hold the verdicts side by side.

    python -m tests.iotests [--format FORMAT ...] [--runs N] [--mutate N] [-- WORDS FOR BOTH]

The tree is made from Debian's source package of the installed QEMU, or of that of another release
(tests.versions), below a scratch folder, by apt: nothing of this system is changed, nothing of the
tree is kept in goldlock. --tree takes another, as one of another version. Where QEMU has no
qtest, both have the same stand-in. What both write is below w/ in the folder.

A test whose verdict is not the same in all runs of a runner is flaky, and told as such; what
differs is run once more for that. With --mutate, N goldens get a line that is wrong, which both
must see, and are as they were then. WORDS are those that choose tests (default: -g quick).

Exit status: 1 where a verdict, or the reason of a test that was not run, is another; where the
tree is not as it was; or where a process is left.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".import"))  # `goldlock` is harness/

from goldlock.errors import UsageError
from goldlock.kits.qemu.environment import VARIABLES
from goldlock.kits.qemu.locate import locate, of_build
from goldlock.kits.qemu_iotests import qtest
from goldlock.runner.orphans import adopt, reap

from tests.iotests.source import tree
from tests.versions.__main__ import KNOWN, Failed, installed

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
    parser.add_argument("--mutate", type=int, default=0, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/goldlock/iotests")
    parser.add_argument("--release", metavar="RELEASE", help=", ".join(KNOWN))
    parser.add_argument("--tree", type=Path, metavar="DIR", help="one that was made before")
    options = parser.parse_args(arguments[:at])
    words = [*arguments[at + 1 :]] or ["-g", "quick"]
    try:
        folder = options.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        paths, release = _paths(folder.parent / "qemu", options.release)
        source = (options.tree or tree(folder, paths["qemu-img"], release)).absolute()
        programs = _programs(folder, paths)
        same = [
            _compare(source, programs, [f"-{each}", *words], options.runs, options.mutate)
            for each in options.formats or ("qcow2", "raw")
        ]
    except (Failed, UsageError) as error:
        print(f"tests.iotests: {error}", file=sys.stderr)
        return 2
    return int(not all(same))


def _paths(folder: Path, release: str | None) -> tuple[dict[str, str], str]:
    """Return QEMU's programs, of this system or of another release in *folder*; and the release."""
    if release:
        paths, missing = of_build(str(installed(folder, release)))
    else:
        paths, missing = locate(os.environ)
        release = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    for why in missing.values():
        raise Failed(why)
    return paths, release


def _programs(folder: Path, paths: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the programs, with the stand-in where there is no qtest.

    And TEST_DIR, where all is that both write, and whose name is short: some tests have sockets
    in theirs.
    """
    work = folder / "w"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    qemu = paths["qemu-system"]
    if not qtest.works(qemu, os.environ):
        qemu = qtest.stand_in(qemu, work / "standin")
    named = {VARIABLES[name]: path for name, path in {**paths, "qemu-system": qemu}.items()}
    return {**named, "TEST_DIR": str(work)}


def _compare(
    source: Path, programs: Mapping[str, str], words: Sequence[str], runs: int, mutants: int
) -> bool:
    """Run both, one after the other, as often as is said; tell whether they say the same."""
    check, ours, left = list[Side](), list[Side](), list[str]()
    was = _status(source)
    for _ in range(runs):
        check.append(_check(source, programs, words))
        ours.append(_goldlock(source, programs, words))
        left += _processes(programs["TEST_DIR"])
    what = " ".join(words)
    for name, sides in (("check", check), ("goldlock", ours)):
        times = ", ".join(f"{side.seconds:.0f} s (CPU {side.cpu:.0f} s)" for side in sides)
        print(f"{what}: {name}: {times}")
    said = _differences(check, ours)
    if names := [line.split()[1].rstrip(":") for line in said if line.startswith("DIFFERS")]:
        again = [words[0], *names]  # a difference is one that is there again
        check.append(_check(source, programs, again))
        ours.append(_goldlock(source, programs, again))
        said = _differences(check, ours)
    different = [line for line in said if not line.startswith("flaky")]
    wrong = [*different, *left]
    if mutants:
        stable = [name for name, each in ours[0].outcomes.items() if each.verdict == "pass"]
        wrong += _mutated(source, programs, words[0], stable[:: max(len(stable) // mutants, 1)])
    wrong += [f"the tree is not as it was: {line}" for line in sorted(_status(source) ^ was)]
    for line in dict.fromkeys((*said, *wrong)):
        print(f"{what}: {line}")
    print(f"{what}: {len(check[0].outcomes)} tests, {len(different)} differ", flush=True)
    return not wrong


def _mutated(
    source: Path, programs: Mapping[str, str], imgfmt: str, names: Sequence[str]
) -> list[str]:
    """Add a line to the goldens of tests that pass; return which runner has not seen it."""
    folder = source / "tests/qemu-iotests"
    goldens = {
        golden: golden.read_bytes()
        for name in names
        for golden in (*folder.glob(f"{name}.*out*"), *folder.glob(f"tests/{name}.*out*"))
    }
    try:
        for golden, was in goldens.items():
            golden.write_bytes(was + b"mutated\n")
        sides = {
            run.__name__: run(source, programs, [imgfmt, *names]) for run in (_check, _goldlock)
        }
    finally:
        for golden, was in goldens.items():
            golden.write_bytes(was)
    print(f"{imgfmt}: {len(names)} goldens mutated: {' '.join(names)}")
    return [
        f"the mutated golden of {name} passes with {runner.strip('_')}"
        for runner, side in sides.items()
        for name in names
        if side.outcomes[name].verdict != "fail"
    ]


def _differences(check: Sequence[Side], ours: Sequence[Side]) -> list[str]:
    said = []
    for test in sorted({name for side in (*check, *ours) for name in side.outcomes}):
        theirs = [side.outcomes[test] for side in check if test in side.outcomes]
        mine = [side.outcomes[test] for side in ours if test in side.outcomes]
        shown = f"check {_shown(theirs)}; goldlock {_shown(mine)}"
        if {*theirs} == {*mine} and len({*theirs}) == 1:
            continue
        if theirs and mine and (len({*theirs}) > 1 or len({*mine}) > 1 or "flaky" in shown):
            said.append(f"flaky {test}: {shown}")
        else:
            said.append(f"DIFFERS {test}: {shown}")
    return said


def _shown(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(" ".join(filter(None, each)) for each in outcomes) or "has none"


def _check(source: Path, programs: Mapping[str, str], words: Sequence[str]) -> Side:
    """Run check in a copy of the tree, into which it writes."""
    folder = Path(programs["TEST_DIR"])
    work, scratch = folder / "tree", folder / "scratch"
    shutil.rmtree(work, ignore_errors=True)
    (work / "tests").mkdir(parents=True)
    shutil.copytree(source / "tests/qemu-iotests", work / "tests/qemu-iotests", symlinks=True)
    shutil.copytree(source / "python", work / "python", symlinks=True)
    shutil.rmtree(scratch, ignore_errors=True)
    environ = {**os.environ, **programs, "TEST_DIR": str(scratch)}
    knows_jobs = "'-j'" in (source / "tests/qemu-iotests/check").read_text()  # as of QEMU 7.0
    command = ["./check", *(["-j", str(os.cpu_count())] if knows_jobs else []), *words]
    done, seconds, cpu = _timed(command, work / "tests/qemu-iotests", environ)
    outcomes = {}
    for line in done.split("\n"):
        if found := _LINE.match(line):
            reason = found[3].strip() if found[2] == "not run" else ""
            outcomes[found[1]] = Outcome(found[2], _plain(reason, work))
    if not outcomes:
        raise Failed(f"check {' '.join(words)}: {done.strip()[-300:]}")
    return Side(outcomes, seconds, cpu)


def _goldlock(source: Path, programs: Mapping[str, str], words: Sequence[str]) -> Side:
    told = Path(programs["TEST_DIR"], "told.jsonl")
    told.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "run_tests.py"), "--json-lines", str(told)]
    command += ["--suite", str(source / "tests/qemu-iotests"), *words]
    environ = {**os.environ, **programs}
    done, seconds, cpu = _timed(command, told.parent, environ)
    outcomes = {}
    lines = told.read_text().split("\n") if told.exists() else []
    for event in map(json.loads, filter(None, lines)):
        if event["event"] == "case":
            flaky = 0 < event["failed_runs"] < event["runs"]
            verdict = "flaky" if flaky else _STATES[event["state"]]
            outcomes[event["number"]] = Outcome(verdict, _plain(event["reason"], source))
    if not outcomes:
        raise Failed(f"goldlock {' '.join(words)}: {done.strip()[-300:]}")
    return Side(outcomes, seconds, cpu)


def _plain(reason: str, tree: Path) -> str:
    """Return a reason without what is another path with each runner."""
    plain = reason.replace(f"{tree}/", "")
    return re.sub(r"TEST_DIR='[^']*'|\S*(w/goldlock-|scratch/)\S+", "TEST_DIR", plain)


def _timed(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> tuple[str, float, float]:
    """Run a command; return what it printed, and the seconds that went by, and of processors.

    Those of daemons count, too, which are this process's children once they lose their parents;
    check leaves thousands that have ended.
    """
    adopt()
    began, used = time.monotonic(), os.times()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said = None
    while said is None:
        with suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=1)
        reap(but=process.pid)
    now = os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return said, time.monotonic() - began, cpu


def _processes(scratch: str) -> list[str]:
    """Return the processes that have a directory of a run in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(scratch) in environ.read_bytes():
                found.append(f"process left: {environ.with_name('comm').read_text().strip()}")
        except OSError:  # it has ended, or is another's
            continue
    return found


def _status(source: Path) -> set[str]:
    """Return what git sees of the tree that is not as it was committed."""
    command = ["git", "status", "--porcelain", "--ignored"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{source}: {done.stderr.strip()}")
    return {*done.stdout.splitlines()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
