"""What cases write where they should not."""

import time
from pathlib import Path

import pytest

from harness.running import strays
from harness.running.strays import Strays
from tests.conftest import MakeSuite, RunTests


def test_a_file_in_the_suite_is_named_with_its_case(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo one; echo oops >{suite.root}/cases/oops", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{suite.root}/cases/oops: not there before; left by case 1?" in done.stdout
    assert done.returncode == 0
    assert (suite.root / "cases" / "oops").read_text() == "oops\n"
    assert "not there before" not in run_tests("--suite", str(suite.root)).stdout


def test_a_file_among_the_temporary_ones_is_named(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """Names that are made up for each use are not: who asks for one may be anybody."""
    place = tmp_path / "system"
    place.mkdir()
    (place / "before").touch()
    there = [place / name for name in ("before", "hard-coded", "tmpab12cd", "goldlock-1")]
    suite.case("1", "echo one", golden="one\n")
    suite.case("2", f"echo two; touch {' '.join(map(str, there))}", golden="two\n")
    asked = ("--json-lines", str(place / "lines"), "--commands", str(place / "commands"))
    done = run_tests("--suite", str(suite.root), "-j1", *asked, TMPDIR=str(place))
    said = [line for line in done.stdout.splitlines() if str(place) in line and "left by" in line]
    assert said == [f"{place}/hard-coded: not there before; left by case 2?"]
    assert done.returncode == 0
    assert {path.name for path in place.iterdir()} >= {"lines", "commands"}


def test_what_belongs_there_is_not_named(run_tests: RunTests, suite: MakeSuite) -> None:
    """Goldens of --update, reports, and what editors and git write."""
    folder = suite.root / "cases"
    suite.case("1", f"echo one; touch {folder}/1~ {folder}/.1.swp {suite.root}/.git")
    report = f"--junit-xml={suite.root}/report.xml"
    done = run_tests("--suite", str(suite.root), "--update", "--", report)
    assert (suite.root / "report.xml").exists()
    assert "not there before" not in done.stdout


def test_a_hunt_forgets_who_ran_and_not_who_left_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases 1 and 3, which ends much later, run when it appears; 2 runs before, 4 after."""
    monkeypatch.setattr(strays, "ENOUGH", 3)
    files = Strays()
    files.watch(tmp_path)
    files.ran("2", time.time())
    before = time.time() - 1  # the kernel's clock for files is some milliseconds late
    (tmp_path / "oops").touch()
    files.ran("1", before)
    for _ in range(10):
        files.ran("4", time.time() + 1)
    files.ran("3", before)
    for _ in range(10):
        files.ran("4", time.time() + 1)
    assert files.found() == [(tmp_path / "oops", ["1", "3"])]
    assert len(files._periods) < 3
