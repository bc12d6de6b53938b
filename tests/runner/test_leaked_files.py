# SPDX-License-Identifier: GPL-2.0-or-later
"""What cases write where they should not."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from goldlock.runner.file_audit import Seen
from goldlock.runner.leaked_files import Folder, Strays
from goldlock.suite.cases import Case

from tests.conftest import MakeSuite, RunTests

JOBS = pytest.mark.parametrize("jobs", ["-j1", "-j2", "-j3"])


def count(text: str, words: str) -> int:
    return sum(words in line for line in text.splitlines())


def moved(text: str) -> Iterator[Path]:
    """Yield where files were moved to."""
    return (Path(found[1]) for found in re.finditer(r"; moved to (\S+)", text))


@JOBS
def test_a_file_in_the_suite_fails_its_case_and_is_moved(
    run_tests: RunTests, suite: MakeSuite, jobs: str
) -> None:
    suite.case("1", f"echo one; echo oops >{suite.root}/cases/oops", golden="one\n")
    suite.case("2", f"echo two; mkdir {suite.root}/more; echo x >{suite.root}/more/x", "two\n")
    suite.case("3", "echo three", golden="three\n")
    done = run_tests("--suite", str(suite.root), jobs)
    assert "3 cases: 1 passed, 2 failed" in done.stdout
    said = "left behind, outside its directories, by"
    assert f"{said} sh: {suite.root}/cases/oops; moved to " in done.stdout
    assert f"{said} mkdir: {suite.root}/more; moved to " in done.stdout
    assert done.returncode == 1
    first, second = moved(done.stdout)
    assert first.read_text() == "oops\n"
    assert (second / "x").read_text() == "x\n"
    assert sorted(path.name for path in suite.root.glob("[!.]*")) == ["cases", "expected"]
    assert sorted(path.name for path in suite.root.glob("cases/[!_]*")) == ["1", "2", "3"]


def make_system(suite: MakeSuite, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Make a place for temporary files, and a case that writes there; return it, and options."""
    place = folder / "system"
    place.mkdir()
    (place / "before").touch()
    there = [place / name for name in ("before", "hard-coded", "tmpab12cd", "goldlock-1")]
    suite.case("1", "echo one", golden="one\n")
    touch = f"touch {' '.join(map(str, there))}; mkdir -p {place}/more; echo >{place}/more/x"
    suite.case("2", f"echo two; {touch}", golden="two\n")
    return place, ("--json-lines", str(place / "lines"), "--commands", str(place / "commands"))


@JOBS
def test_a_file_among_the_temporary_ones_is_named(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, jobs: str
) -> None:
    """Many write there. Names that are made up for each use are not: anybody asks for one."""
    place, options = make_system(suite, tmp_path)
    done = run_tests("--suite", str(suite.root), jobs, *options, TMPDIR=str(place))
    words = rf"{place}/(\S+): not there before; left by .*2.*\? --watch-files tells"
    said = re.findall(words, done.stdout)
    assert said == ["hard-coded", "more"]
    assert done.returncode == 0
    assert (place / "hard-coded").exists()


@JOBS
def test_a_file_among_the_temporary_ones_fails_a_case_that_is_watched(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, jobs: str
) -> None:
    place, options = make_system(suite, tmp_path)
    options = (*options, "--watch-files")
    done = run_tests("--suite", str(suite.root), jobs, *options, TMPDIR=str(place))
    assert "1 passed, 1 failed" in done.stdout
    assert "not there before" not in done.stdout
    said = re.findall(rf"outside its directories, by (\S+): {place}/(\S+); moved", done.stdout)
    names = ("hard-coded", "tmpab12cd", "goldlock-1")
    assert said == [*(("touch", name) for name in names), ("mkdir", "more")]
    left = {path.name for path in place.iterdir()} - {"commands"}
    assert {name for name in left if not name.startswith("goldlock-")} == {"lines", "before"}
    done = run_tests("--suite", str(suite.root), "--trace-locks", "--watch-files")
    assert done.returncode == 2
    assert "--trace-locks and --watch-files: one at a time" in done.stdout


def test_cases_that_are_watched_run_as_ever(run_tests: RunTests) -> None:
    done = run_tests("--programs", "embedded", "--watch-files", "153", "182", "401")
    assert done.returncode == 0, done.stdout


def test_a_file_that_no_case_creates_again_is_named_and_stays(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """It may be of somebody who works there."""
    once = f"[ -e {tmp_path}/mark ] || echo mine >{suite.root}/notes; touch {tmp_path}/mark"
    suite.case("1", f"echo one; {once}", golden="one\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{suite.root}/notes: not there before; left by case 1?" in done.stdout
    assert done.returncode == 0
    assert (suite.root / "notes").read_text() == "mine\n"
    assert "not there before" not in run_tests("--suite", str(suite.root)).stdout


def test_a_file_with_another_name_each_time(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo one; echo >>{suite.root}/oops.$$", golden="one\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert done.returncode == 1
    assert len([*moved(done.stdout)]) == 1
    assert count(done.stdout, "not there before; left by case 1?") == 1
    assert len([*suite.root.glob("oops.*")]) == 1


def test_a_case_that_fails_tells_of_it_too(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo two; echo x >>{suite.root}/oops", golden="one\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert "1 of 1 section not as in " in done.stdout
    (oops,) = moved(done.stdout)
    assert oops.read_text() == "x\nx\n"  # it was run twice


def test_a_case_that_is_supervised_cannot_be_watched(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"# needs: faults\necho one; echo x >>{suite.root}/oops", golden="one\n")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{suite.root}/oops: not there before; left by case 1?" in done.stdout
    assert (suite.root / "oops").read_text() == "x\n"


def test_with_xdist_it_fails_its_case(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo one; echo x >>{suite.root}/oops", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), "--", "-n2")
    assert f"by sh: {suite.root}/oops; moved to " in done.stdout
    assert done.returncode == 1
    assert not (suite.root / "oops").exists()


def test_an_update_is_made_all_the_same(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo one; echo x >>{suite.root}/oops", golden="two\n")
    done = run_tests("--suite", str(suite.root), "--update", "-j1")
    assert "-two\n+one\n" in done.stdout
    assert f"by sh: {suite.root}/oops; moved to " in done.stdout


def test_a_hunt_finds_it_each_time(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"echo one; echo oops >{suite.root}/oops", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j2", "--repeat", "3")
    assert "failed in each of 3 runs" in done.stdout
    assert "1 passed, 1 failed" in done.stdout
    assert not (suite.root / "oops").exists()


def test_a_case_that_was_found_out_is_watched_each_time(tmp_path: Path) -> None:
    """Of two runs side by side, one may see its file go with that of the other."""
    files, case = Strays(), Case("1", tmp_path / "cases" / "1")
    files.add(tmp_path)
    oops = tmp_path / "oops"
    oops.touch()
    files.look([case])
    assert files.left_by(case, [Seen(oops, "sh", was_there=False)], tmp_path / ".strays")
    files.look([case])
    assert files.suspects(case)


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
    assert "not there before" not in done.stdout


def test_what_turns_up_right_after_a_look_is_seen(tmp_path: Path) -> None:
    """The kernel's clock may not have moved on since."""
    folder = Folder(tmp_path, lambda path: path.name == "passes")
    found = []
    for number in range(200):
        (tmp_path / f"{number:03}").touch()
        (tmp_path / "passes").touch()
        found += folder.new()
    assert [path.name for path in found] == [f"{number:03}" for number in range(200)]


def test_a_file_that_was_there_before_any_case_stays(run_tests: RunTests, suite: MakeSuite) -> None:
    """Also where a case has made it anew."""
    helper = suite.root / "helper.sh"
    helper.write_text("old\n")
    suite.case("1", f"rm {helper}; echo new >{helper}; touch {suite.root}/oops", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert [path.name for path in moved(done.stdout)] == ["oops"]
    assert helper.read_text() == "new\n"


def test_files_of_one_name_all_stay(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    """Nor is one moved through another that is a link."""
    (tmp_path / "elsewhere").mkdir()
    link = f"ln -sn {tmp_path}/elsewhere {suite.root}/oops 2>/dev/null"
    suite.case("1", f"{link}; echo second >{suite.root}/cases/oops", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    first, second = moved(done.stdout)
    assert first.is_symlink()
    assert second.read_text() == "second\n"
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_what_cannot_be_moved_is_told_and_stays(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:  # another file system
        suite = MakeSuite(Path(name) / "suite")
        suite.case("1", f"mkdir -p {suite.root}/oops; mkfifo {suite.root}/oops/x 2>/dev/null", "")
        suite.case("2", "echo two", golden="two\n")
        done = run_tests("--suite", str(suite.root), "-j1")
        oops = suite.root / "oops"
        assert f"{oops}, which cannot be moved: not all in it can be copied" in done.stdout
        assert "not there before" not in done.stdout
        assert "1 passed, 1 failed" in done.stdout
        assert (oops / "x").is_fifo()


def test_a_socket_is_removed_and_nothing_is_kept_of_it(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('oops')"
    suite.case("1", f'cd {suite.root}; "$PYTHON" -c "{bind}" 2>/dev/null; true', golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert f"{suite.root}/oops; removed" in done.stdout
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_many_files_are_told_of_in_a_few_lines(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", f"cd {suite.root}; seq -f f%g 100 | xargs touch", golden="")
    done = run_tests("--suite", str(suite.root), "-j1")
    assert count(done.stdout, "left behind, outside") == 10
    assert "\nand 90 more\n" in done.stdout
    assert not [*suite.root.glob("f*")]


def test_a_case_that_takes_longer_when_it_is_watched(run_tests: RunTests, suite: MakeSuite) -> None:
    """It has passed, and nobody waits for it without end."""
    wait = f"if [ -e {suite.root}/oops ]; then exec sleep 1000; fi"
    suite.case("1", f"{wait}; touch {suite.root}/oops", golden="")
    done = run_tests("--suite", str(suite.root), "-j1", "--time-limit", "0")
    assert f"{suite.root}/oops: not there before; left by case 1?" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("words", ["not executable; chmod +x it", "has its first line a #!"])
def test_a_case_that_cannot_be_started_and_is_watched(
    run_tests: RunTests, suite: MakeSuite, words: str
) -> None:
    path = suite.case("1", "#!/there/is/none\n", golden="")
    path.chmod(0o644 if "chmod" in words else 0o755)
    done = run_tests("--suite", str(suite.root), "-j1", "--watch-files")
    assert words in done.stdout
    assert "Traceback" not in done.stdout
