# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases that were not selected cost nothing: pytest never hears of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, RunTests, plain_pytest, quiet_environment

COUNT = """\
import pytest
items = files = 0
def pytest_itemcollected(item):
    global items
    items += 1
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    global files
    files += isinstance(collector, pytest.File)
    return (yield)
def pytest_unconfigure():
    print("items:", items, "files:", files)
"""


@pytest.fixture
def many(tmp_path: Path) -> MakeSuite:
    made = MakeSuite(tmp_path / "suite")
    for number in range(101, 151):
        group = "last" if number > 147 else "all"
        made.case(str(number), f"#!/bin/sh\n# group: {group}\necho a\n", "a\n")
    (tmp_path / "hear.py").write_text(COUNT)
    return made


@pytest.mark.parametrize(
    "words",
    [["--start-from", "148"], ["148", "149", "150"], ["-g", "last"], ["-x", "all"]],
    ids=" ".join,
)
def test_by_the_command(many: MakeSuite, tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "run_tests.py", "--suite", many.root, *words, "--", "-p", "hear"],
        env={**quiet_environment(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 cases: 3 passed" in done.stdout, done.stdout + done.stderr
    assert "items: 3 files: 0" in done.stdout


def test_by_names_of_files(many: MakeSuite, tmp_path: Path) -> None:
    names = [f"cases/{number}" for number in (148, 149, 150)]
    (tmp_path / "suite" / "hear.py").write_text(COUNT)
    done = plain_pytest(many.root, "-p", "hear", *names)
    assert "3 cases: 3 passed" in done.stdout
    assert "items: 3 " in done.stdout


def test_words_of_pytest_do_not_choose_by_folders_above(
    run_tests: RunTests, tmp_path: Path
) -> None:
    suite = MakeSuite(tmp_path / "1" / "suite")
    for number in ("1", "2"):
        suite.case(number, "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), "--", "-k", "1")
    assert "1 case: 1 passed" in done.stdout, done.stdout
