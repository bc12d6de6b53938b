#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trivial case costs in goldlock, in other runners of golden tests, and in a bare loop.

Each runner gets COUNT cases that print a line, and one that does; the difference of the two
times, shared by the cases, is what a case costs beyond the start-up. All run in turn, ROUNDS
times, and medians are told. Runners that are not on PATH are left out: cram, prysk, lit, bats,
and pytest with subtests. "pytest, nothing" is a file and an item for each case, which start no
program: what any plugin costs. QEMU's check wants CHECK=.../tests/qemu-iotests, a scratch copy of
its sources, to which the cases are added.

usage: tests/bench/runners.py [COUNT [ROUNDS]]        (default: 200 7)
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, str(ROOT / "run_tests.py")]
SCRIPT = "#!/bin/sh\necho hello\n"
LOOP = """\
import subprocess, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1], "cases").iterdir()):
    done = subprocess.run([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=-2)
    assert done.stdout == path.parents[1].joinpath("expected", f"{path.name}.out").read_bytes()
"""
PYTEST = """\
import subprocess
from pathlib import Path
CASES = sorted(Path(__file__).parent.joinpath("cases").iterdir())
def test_cases(subtests):
    for path in CASES:
        with subtests.test(msg=path.name):
            done = subprocess.run([path], stdin=subprocess.DEVNULL, stdout=-1, stderr=-2)
            golden = path.parents[1] / "expected" / f"{path.name}.out"
            assert done.stdout == golden.read_bytes()
"""
NOTHING = """\
import pytest
class Nothing(pytest.Item):
    def runtest(self):
        pass
class File(pytest.File):
    def collect(self):
        yield Nothing.from_parent(self, name=self.path.name)
def pytest_collect_file(file_path, parent):
    return File.from_parent(parent, path=file_path) if file_path.parent.name == "cases" else None
"""
Command = Callable[[Path, int], list[str]]
"""Makes the cases in a folder, so many; returns what runs them."""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def suite(folder: Path, count: int) -> Path:
    for number in range(1001, 1001 + count):
        executable(folder / "cases" / str(number), SCRIPT)
        (folder / "expected").mkdir(exist_ok=True)
        (folder / "expected" / f"{number}.out").write_text("hello\n")
    return folder


def goldlock(*options: str) -> Command:
    return lambda folder, count: [*RUN, "--suite", str(suite(folder, count)), *options]


def loop(folder: Path, count: int) -> list[str]:
    return [sys.executable, "-c", LOOP, str(suite(folder, count))]


def pytest_subtests(folder: Path, count: int) -> list[str]:
    (suite(folder, count) / "test_cases.py").write_text(PYTEST)
    return [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, str(folder)]


def pytest_nothing(folder: Path, count: int) -> list[str]:
    (suite(folder, count) / "conftest.py").write_text(NOTHING)
    return [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", str(folder)]


def files(name: str, text: str, *command: str) -> Command:
    """Return what makes a file for each case, and gives them all, or their folder, to a command."""

    def make(folder: Path, count: int) -> list[str]:
        for number in range(1001, 1001 + count):
            executable(folder / name.format(number), text)
        return [*command, str(folder)]

    return make


def lit(folder: Path, count: int) -> list[str]:
    files("{}.test", "# RUN: echo hello | grep -qx hello\n")(folder, count)
    (folder / "lit.cfg").write_text(
        "import lit.formats\nconfig.name = 'trivial'\nconfig.suffixes = ['.test']\n"
        "config.test_format = lit.formats.ShTest()\n"
    )
    return ["lit", "-q", "-j1", str(folder)]


def check(folder: Path, count: int) -> list[str]:
    tests = Path(os.environ["CHECK"])
    for number in range(400, 400 + count):
        executable(tests / str(number), "#!/bin/sh\n# group: rw quick\necho hello\n")
        (tests / f"{number}.out").write_text("hello\n")
    numbers = " ".join(map(str, range(400, 400 + count)))
    return ["sh", "-c", f"cd {tests} && TEST_DIR={folder} ./check -raw {numbers}"]


def runners() -> dict[str, Command]:
    cram = "  $ echo hello\n  hello\n"
    bats = '@test "hello" {\n  [ "$(echo hello)" = hello ]\n}\n'
    known: dict[str, Command] = {
        "bare loop": loop,
        "goldlock -j 1": goldlock("-j1"),
        "goldlock -j 2": goldlock("-j2"),
        "pytest, subtests": pytest_subtests,
        "pytest, nothing": pytest_nothing,
    }
    others: dict[str, Command] = {
        "lit": lit,
        "cram": files("{}.t", cram, "cram", "-q"),
        "prysk": files("{}.t", cram, "prysk", "-q"),
        "bats": files("{}.bats", bats, "bats"),
    }
    known.update((name, make) for name, make in others.items() if shutil.which(name))
    if "CHECK" in os.environ:
        known["QEMU's check"] = check
    return known


def seconds(command: Sequence[str], folder: Path) -> float:
    start = time.perf_counter()
    environ = {**os.environ, "TEST_DIR": str(folder.parent)}
    subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    count, rounds = (*map(int, sys.argv[1:]), *(200, 7)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
        made: dict[str, dict[int, tuple[list[str], Path]]] = {}
        for runner, make in runners().items():
            for cases in (1, count):
                folder = Path(name) / f"{runner} {cases}".replace(" ", "-").replace("'", "")
                folder.mkdir()
                made.setdefault(runner, {})[cases] = make(folder, cases), folder
        each: dict[str, list[float]] = {runner: [] for runner in made}
        start: dict[str, list[float]] = {runner: [] for runner in made}
        for turn in range(rounds + 1):
            for runner, of in made.items():
                one, many = seconds(*of[1]), seconds(*of[count])
                if turn:  # the first warms up
                    start[runner].append(one)
                    each[runner].append((many - one) / (count - 1) * 1000)
    bare = each["bare loop"]
    print(f"{count} cases, {rounds} rounds; medians")
    print(f"{'':<18}{'start-up':>10}{'a case':>10}{'of the bare loop':>20}")
    for runner, times in sorted(each.items(), key=lambda item: median(item[1])):
        ratio = median(one / two for one, two in zip(times, bare, strict=True))
        began = f"{median(start[runner]) * 1000:.0f} ms"
        print(f"{runner:<18}{began:>10}{median(times):>7.2f} ms{ratio:>20.2f}")


if __name__ == "__main__":
    main()
