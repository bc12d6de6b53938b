# SPDX-License-Identifier: GPL-2.0-or-later
"""What cases write where they should not."""

import os
import re
from pathlib import Path

import pytest
from goldlock.runner.leaked_files import DirectorySnapshot

from tests.conftest import MakeSuite, RunTests

JOBS = pytest.mark.parametrize("jobs", [("-j1",), ("-j2",), ("--", "-n2")], ids=" ".join)


@JOBS
def test_a_file_in_the_suite_fails_the_run_and_stays(
    run_tests: RunTests, suite: MakeSuite, jobs: tuple[str, ...]
) -> None:
    suite.case("1", f"echo one; echo oops >{suite.root}/cases/oops", golden="one\n")
    suite.case("2", f"echo two; mkdir -p {suite.root}/more", "two\n")
    done = run_tests("--suite", str(suite.root), *jobs)
    assert "2 cases: 2 passed" in done.stdout
    said = r"leaked into the suite while (?:one of the )?cases? (.+) ran$"
    oops = re.search(rf"^{suite.root}/cases/oops: {said}", done.stdout, re.M)
    more = re.search(rf"^{suite.root}/more: {said}", done.stdout, re.M)
    assert oops
    assert "1" in oops[1].split()
    assert more
    assert "2" in more[1].split()
    assert done.stdout.count("leaked into") == 2
    assert done.returncode == 1
    assert (suite.root / "cases" / "oops").read_text() == "oops\n"
    again = run_tests("--suite", str(suite.root), *jobs)
    assert (again.returncode, "leaked" in again.stdout) == (0, False)


def test_a_case_that_ran_alone_is_named_alone(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo one", golden="one\n")
    suite.case("2", f"echo two; touch {suite.root}/oops", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{suite.root}/oops: leaked into the suite while case 2 ran\n" in done.stdout


def test_what_an_update_makes_is_no_leak(run_tests: RunTests, suite: MakeSuite) -> None:
    """Also where other cases run still when the first golden of all is written."""
    (suite.root / "expected").rmdir()
    suite.case("1", "echo one")
    suite.case("2", f"goldlock wait --exists {suite.root}/expected && echo two")
    done = run_tests("--suite", str(suite.root), "--update", "-j2")
    assert (done.returncode, "leaked" in done.stdout) == (0, False), done.stdout
    assert (suite.root / "expected" / "2.out").read_text() == "two\n"


def test_a_file_among_the_temporary_ones_is_a_warning(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """Many write there: what no script names is another's."""
    system = tmp_path / "system"
    system.mkdir()
    (system / "before").touch()
    others = "; ".join(f"touch {system}/$(echo {name} | rev)" for name in ("gnp-a1", "oge-2", "3"))
    suite.case("1", f"echo one; {others}", golden="one\n")
    touch = f"touch {system}/before {system}/hard-coded {system}/other.$$"
    suite.case("2", f"echo two; {touch}", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j1", TMPDIR=str(system))
    said = r"(\S+): not there before; left by case 2, whose script names it\?"
    assert len({*system.iterdir()}) == 6
    assert [re.sub(r"\d+$", "N", path) for path in re.findall(said, done.stdout)] == [
        f"{system}/hard-coded",
        f"{system}/other.N",
    ]
    assert done.stdout.count("not there before") == 2
    assert done.returncode == 0


def test_what_is_gone_at_the_end_is_not_named(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"touch {suite.root}/oops", golden="")
    suite.case("2", f"rm {suite.root}/oops", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert done.returncode == 0, done.stdout


def test_what_belongs_there_is_not_named(run_tests: RunTests, suite: MakeSuite) -> None:
    """Reports, what editors and git write, and what somebody adds who works on the suite."""
    folder, expected = suite.root / "cases", suite.root / "expected"
    written = [folder / name for name in ("1~", ".1.swp", "7", "7.py")]
    written += [suite.root / ".git", expected / "7.out", expected / "7.errno.out"]
    suite.case("1", f"echo one; touch {' '.join(map(str, written))}", golden="one\n")
    report = f"--junit-xml={suite.root}/report.xml"
    done = run_tests("--suite", str(suite.root), "-j1", "--", report)
    assert (suite.root / "report.xml").exists()
    assert done.returncode == 0
    assert "leaked" not in done.stdout


@pytest.mark.usefixtures("_supervisor")
@JOBS
def test_who_made_it_is_known_to_a_supervisor_that_sees_files(
    run_tests: RunTests, suite: MakeSuite, jobs: tuple[str, ...]
) -> None:
    script = (
        f"echo one; touch '{suite.root}/o ops.x'; mv '{suite.root}/o ops.x' '{suite.root}/o ops'"
    )
    suite.case("1", f"# needs: lock-files\n{script}", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), *jobs)
    said = f"{suite.root}/o ops: leaked into the suite by case 1; created by touch\n"
    assert (done.stdout.count(said), done.stdout.count("leaked")) == (1, 1)


@pytest.mark.usefixtures("_supervisor")
def test_who_made_it_is_known_though_another_case_ended_first(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """The file is there when case 2 ends; 1, which made it, ends when 3 says so."""
    for name in ("made", "go"):
        os.mkfifo(tmp_path / name)
    made, go = tmp_path / "made", tmp_path / "go"
    make = f"touch {suite.root}/oops; echo >{made}; read -r line <{go}"
    suite.case("1", f"# needs: lock-files\n{make}", golden="")
    suite.case("2", f"read -r line <{made}", golden="")
    suite.case("3", f"echo >{go}", golden="")
    done = run_tests("--suite", str(suite.root), "-j2")
    said = f"{suite.root}/oops: leaked into the suite by case 1; created by touch\n"
    assert (done.stdout.count(said), done.stdout.count("leaked")) == (1, 1), done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_a_file_that_is_made_again_is_told_of_once(run_tests: RunTests, suite: MakeSuite) -> None:
    """And by whom it was made the last time, as far as that is known: 2 has no supervisor."""
    oops = suite.root / "oops"
    suite.case("1", f"# needs: lock-files\ntouch {oops}", golden="")
    suite.case("2", f"rm {oops}", golden="")
    suite.case("3", f"touch {oops}", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{oops}: leaked into the suite while case 3 ran\n" in done.stdout
    assert done.stdout.count("leaked") == 1, done.stdout


def test_what_turns_up_right_after_a_look_is_seen(tmp_path: Path) -> None:
    """The kernel's clock may not have moved on since."""
    folder = DirectorySnapshot(tmp_path, "passes")
    found = []
    for number in range(200):
        (tmp_path / f"{number:03}").touch()
        (tmp_path / "passes").touch()
        found += folder.new()
    assert [path.name for path in found] == [f"{number:03}" for number in range(200)]


def test_many_files_are_told_of_in_a_few_lines(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"cd {suite.root}; seq -f f%g 100 | xargs touch", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert done.stdout.count("leaked into") == 10
    assert "\nand 90 more\n" in done.stdout


def test_a_name_cannot_speak_to_the_terminal(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"touch \"{suite.root}/$(printf 'a\\033[2J\\n::error::b')\"", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert r"a\x1b[2J\n::error::b: leaked into" in done.stdout
    assert done.returncode == 1
