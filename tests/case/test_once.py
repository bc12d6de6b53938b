# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run makes once, for all of its cases."""

from pathlib import Path
from typing import Any

import pytest
from goldlock.case.once import made_once
from goldlock.errors import CaseError
from goldlock.lockcalls import FAULTS_VARIABLE

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


@pytest.mark.usefixtures("_supervisor")
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


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../esc",
        "d/e",
        "/abs",
        "a.done",
        "a.lock",
        "a\n",
        "\0",
        "\xe4",
        b"a",
        1,
        "a" * 251,
    ],
)
@pytest.mark.parametrize("below_supervisor", [False, True])
def test_a_name_is_one_plain_word(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: Any,  # cases are checked by nobody
    below_supervisor: bool,
) -> None:
    monkeypatch.setenv(FAULTS_VARIABLE, "x" if below_supervisor else "")
    run, own, outside = (tmp_path / name for name in ("run", "own", "esc"))
    for folder in (run, own, outside):
        folder.mkdir()
        (folder / "kept").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        CaseError, match=r"\Aonce: .*: expected a name of 1 to 250 letters, digits, - and _\Z"
    ):
        made_once(str(run), str(own), name, lambda _: pytest.fail("it was made"))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bad_name_fails_the_case_in_one_line(run_tests: RunTests, suite: MakeSuite) -> None:
    script = CASE.format(made="made", between="").replace('"common"', '"../../esc"')
    suite.case("1.py", script, "a b\n")
    done = run_tests("--suite", str(suite.root))
    assert "once: '../../esc': expected a name of 1 to 250 letters, digits, - and _" in done.stdout
    assert "Traceback" not in done.stdout


def test_plain_words_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = [
        made_once(str(tmp_path), "", name, lambda _: None) for name in ("a", "a-done", "A_1")
    ]
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_dir()) == [
        "A_1",
        "a",
        "a-done",
    ]
    assert all(Path(folder).is_dir() for folder in folders)


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    made_once(str(tmp_path), "", "a" * 250, lambda _: None)
    assert {len(each.name) for each in tmp_path.iterdir()} == {250, 255}
