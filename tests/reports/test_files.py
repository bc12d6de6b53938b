# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of reports: where they go, and what is in them when something goes wrong."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from goldlock.reports.files import Lines

from tests.conftest import ROOT, MakeSuite, RunTests, plain_pytest, quiet_environment

OPTIONS = ("--html", "--junit-xml", "--tap", "--json-lines", "--gitlab-report")


WRONG = [
    ("--tap", "there/is/a/file", "cannot be written: Not a directory"),
    ("--tap", "-", "a report goes to a file, not to '-', where the console's is"),
    ("--tap", "/proc/report", "cannot be written: No such file or directory"),
    ("--html", "fifo", "cannot be written: No such device or address"),
    *((option, "folder", "cannot be written: Is a directory") for option in OPTIONS),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: " ".join(wrong[:2]))
def test_no_case_starts_where_a_report_cannot_be_written(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, wrong: tuple[str, str, str]
) -> None:
    option, file, said = wrong
    suite.case("1", f"touch {tmp_path}/started", golden="")
    (tmp_path / "there").write_text("")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    done = run_tests("--suite", str(suite.root), option, file if file == "-" else tmp_path / file)
    assert done.returncode == 2
    assert done.stdout.startswith("run_tests.py: ")
    assert said in done.stdout
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("option", [*OPTIONS, "--suite", "--build"])
def test_an_empty_name_is_not_no_name(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, option: str
) -> None:
    suite.case("1", f"touch {tmp_path}/started", golden="")
    done = run_tests("--suite", str(suite.root), option, "")
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {option} '': no file name\n")
    assert not (tmp_path / "started").exists()


def test_two_reports_in_one_file(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), "--tap", "one", "--html", "./one")
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    assert "--tap one: is what --html writes; give it another name" in done.stdout


def test_all_reports_at_once_say_the_same(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    asked = [word for name in OPTIONS for word in (name, str(tmp_path / name[2:]))]
    done = run_tests("--suite", str(mixed.root), *asked, python=any_python)
    assert done.returncode == 1
    check_all(tmp_path)


def test_with_xdist(run_tests: RunTests, mixed: MakeSuite, tmp_path: Path) -> None:
    asked = [word for name in OPTIONS for word in (name, str(tmp_path / name[2:]))]
    done = run_tests("--suite", str(mixed.root), *asked, "--", "-n", "2")
    assert done.returncode == 1, done.stdout
    check_all(tmp_path)


def test_with_plain_pytest(mixed: MakeSuite, tmp_path: Path, any_python: str) -> None:
    asked = [
        word
        for name in OPTIONS
        for word in (name.replace("--", "--goldlock-"), str(tmp_path / name[2:]))
    ]
    done = plain_pytest(mixed.root, "--goldlock-orphans", *asked, python=any_python)
    assert done.returncode == 1, done.stdout
    check_all(tmp_path)


def check_all(folder: Path) -> None:
    """See that each report tells of the suite's four cases, and of its five failures."""
    xml = ET.parse(folder / "junit-xml").getroot()
    assert len(list(xml.iter("failure"))) == 4
    points = [line for line in (folder / "tap").read_text().splitlines() if "ok " in line[:7]]
    assert [line[:5] for line in points].count("not o") == 3
    lines = [json.loads(line) for line in (folder / "json-lines").read_text().splitlines()]
    assert lines[-1]["totals"]["failed"] == 2
    assert lines[-1]["totals"]["others"] == 1
    assert sorted(line["number"] for line in lines if line["event"] == "case") == [*"1234"]
    issues = json.loads((folder / "gitlab-report").read_text())
    assert len(issues) == 4
    assert "2 of 4 cases failed" in (folder / "html").read_text()


def test_an_interrupted_run_leaves_whole_reports_of_what_was_judged(
    suite: MakeSuite, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    suite.case("1", "echo a", golden="a\n")
    suite.case("2", f"echo $$ >{fifo}; exec sleep 1000", golden="")
    asked = [word for name in OPTIONS for word in (name, str(tmp_path / name[2:]))]
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root), *asked],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    fifo.read_text()
    assert runner.stdout
    for line in runner.stdout:
        if "::1 PASSED" in line:
            break
    runner.send_signal(signal.SIGINT)
    said, _ = runner.communicate()
    assert runner.returncode == 130, said
    assert len(list(ET.parse(tmp_path / "junit-xml").getroot().iter("testcase"))) == 2
    assert (tmp_path / "tap").read_text().splitlines()[-1].startswith("Bail out! ")
    end = json.loads((tmp_path / "json-lines").read_text().splitlines()[-1])
    assert (end["event"], end["stopped"], end["totals"]["passed"]) == ("run end", True, 1)
    assert "The run was stopped" in (tmp_path / "html").read_text()
    assert json.loads((tmp_path / "gitlab-report").read_text()) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_a_full_disk_is_told_of(run_tests: RunTests, suite: MakeSuite, option: str) -> None:
    """With lines of TAP, too, on standard error."""
    suite.case("1", "echo a", golden="a\n")
    said = "/dev/full: the report cannot be written: No space left on device\n"
    for lines, passed in (([], "1 case: 1 passed"), (["-tap"], "\nok 1\n")):
        done = run_tests("--suite", str(suite.root), option, "/dev/full", *lines)
        assert (done.stdout.count(said), passed in done.stdout) == (1, True)
        assert (done.returncode, "Traceback" in done.stdout) == (2, False)


def test_an_old_report_is_replaced_as_a_whole_and_a_link_to_it_stays(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo a", golden="a\n")
    (tmp_path / "old").write_text("x" * 100_000)
    link = tmp_path / "link"
    link.symlink_to("old")
    run_tests("--suite", str(suite.root), "--tap", str(link))
    assert link.is_symlink()
    assert (tmp_path / "old").read_text().startswith("TAP version")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "old", "scratch", "suite"]


@pytest.mark.parametrize("option", [each for each in OPTIONS if each != "--json-lines"])
def test_whoever_reads_an_old_report_reads_on(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, option: str
) -> None:
    """The new one is another file, put in the place of the old one when it is whole."""
    suite.case("1", "echo a", golden="a\n")
    report = tmp_path / "report"
    report.write_text("old")
    with report.open() as reader:
        run_tests("--suite", str(suite.root), option, str(report))
        assert reader.read() == "old"
    assert report.read_text() != "old"


def test_a_line_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    lines = Lines(tmp_path / "lines")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        lines.write("short")
        with pytest.raises(OSError, match="File too large"):
            lines.write("long" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    lines.close()
    assert (tmp_path / "lines").read_text() == "short\n"
