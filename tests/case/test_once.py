# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run makes once, for all of its cases."""

from pathlib import Path

from tests.conftest import MakeSuite, RunTests

CASE = """#!/usr/bin/env python3
from pathlib import Path
from goldlock import Case, run

MADE = Path({made!r})


def make(folder: str) -> None:
    with MADE.open("a") as file:
        file.write(f"{{folder}}\\n")
    for name in ("a", "b"):
        Path(folder, name).write_text("there\\n")
        {between}


def main(case: Case) -> None:
    common = Path(case.once("common", make))
    case.log(" ".join([each.name for each in sorted(common.iterdir())]))


run(main)
"""


def test_a_run_makes_it_once_for_all_cases(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    for name in ("1.py", "2.py"):
        suite.case(name, CASE.format(made=str(made), between=""), "a b\n")
    done = run_tests("--suite", str(suite.root), "--repeat", "3", "-j", "2")
    assert "2 cases: 2 passed" in done.stdout
    assert len(made.read_text().splitlines()) == 1
    assert not Path(made.read_text().strip()).exists()


def test_below_a_supervisor_each_case_makes_its_own(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    for name in ("1.py", "2.py"):
        script = CASE.format(made=str(made), between="")
        suite.case(name, script.replace("\n", "\n# needs: faults\n", 1), "a b\n")
    done = run_tests("--suite", str(suite.root), "--require", "faults")
    assert "2 cases: 2 passed" in done.stdout
    assert len(set(made.read_text().splitlines())) == 2


def test_what_came_to_no_end_is_made_anew(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    killed = "import os; os.getenv('GOLDLOCK_CASE') == '1' and os.kill(os.getpid(), 9)"
    for name in ("1.py", "2.py"):
        suite.case(name, CASE.format(made=str(made), between=killed), "a b\n")
    done = run_tests("--suite", str(suite.root), "-j", "1")
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert len(made.read_text().splitlines()) == 2
