# SPDX-License-Identifier: GPL-2.0-or-later
"""In which order cases run, and which never run side by side."""

import json
import os
import re
from pathlib import Path

import pytest
from goldlock.runner.history import LastRun, in_best_order, read_history
from goldlock.runner.scheduler import Scheduler
from goldlock.settings import Settings
from goldlock.suite.cases import Case, read_suite

from tests.conftest import MakeSuite, RunTests, plain_pytest


def cases(*numbers: str) -> list[Case]:
    return [Case(number, Path(number)) for number in numbers]


def test_failed_first_then_new_then_long() -> None:
    past = {
        "1": LastRun(1.0, failed=False),
        "2": LastRun(9.0, failed=False),
        "3": LastRun(0.1, failed=True),
    }
    order = in_best_order(cases("1", "2", "3", "4"), past)
    assert [case.name for case in order] == ["3", "4", "2", "1"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a/1": 2}', '{"a/1": ["x", 0]}', "\x00", "[" * 100_000],
    ids=range(7),
)
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".pytest_cache" / "d" / "goldlock" / "history"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read_history(tmp_path) == {}


def test_a_run_remembers(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    suite.case("2", "echo a", golden="b\n")
    history = suite.root / ".pytest_cache" / "d" / "goldlock" / "history"
    for _ in range(2):  # the second time over a memory that makes no sense
        run_tests("--suite", str(suite.root), "-j", "2")
        known = json.loads(history.read_text())
        failed = {path: failed for path, (_, failed, _) in known.items()}
        assert failed == {"cases/1": False, "cases/2": True}
        history.write_text("[1]")


def test_two_suites_in_one_run_have_memories_of_their_own(tmp_path: Path) -> None:
    for name, golden in (("one", "a\n"), ("other", "b\n")):
        made = MakeSuite(tmp_path / name)
        made.case("1", "sleep 0.1; echo a", golden)
    history = tmp_path / ".pytest_cache" / "d" / "goldlock" / "history"
    history.parent.mkdir(parents=True)
    history.write_text('{"one/cases/1": [71, false], "other/cases/1": [72, false]}')
    cases = ("one/cases/1", "other/cases/1")
    done = plain_pytest(tmp_path, *cases, "--goldlock-slowest=2", suites="one other")
    assert {*re.findall(r"1 \d+\.\d\d s \(last (\d+)", done.stdout)} == {"71", "72"}, done.stdout
    failed = {path: failed for path, (_, failed, _) in json.loads(history.read_text()).items()}
    assert failed == {"one/cases/1": False, "other/cases/1": True}


def test_exclusive_cases_do_not_meet_and_hold_up_no_others(
    suite: MakeSuite, tmp_path: Path
) -> None:
    """1 and 2 are exclusive; 1 goes on only when 3 has run, which starts before 2."""
    os.mkfifo(tmp_path / "fifo")
    alone = f"#!/bin/sh\n# exclusive: disk\nmkdir {tmp_path}/disk || echo not alone\n"
    suite.case("1", f"{alone}read -r line <{tmp_path}/fifo\nrmdir {tmp_path}/disk\n", golden="")
    suite.case("2", f"{alone}rmdir {tmp_path}/disk\n", golden="")
    suite.case("3", f"echo go >{tmp_path}/fifo", golden="")
    settings = Settings(jobs=2, time_limit=20)
    scheduler = Scheduler(settings, {**os.environ, "TEST_DIR": str(tmp_path)})
    found = read_suite(suite.root).cases
    scheduler.start(found)
    verdicts = [scheduler.result(case) for case in found]
    scheduler.close()
    assert [verdict.problems for verdict in verdicts] == [[], [], []]
    assert [verdict.failing for verdict in verdicts] == [[], [], []]


def test_the_report_is_the_same_for_any_number_of_jobs(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    for number in range(1, 9):
        suite.case(str(number), f"echo {number % 3}", golden="1\n")
    reports = []
    for jobs in ("1", "2", "4"):
        lines = run_tests("--suite", str(suite.root), "-j", jobs).stdout.split("\n")
        reports.append([line for line in lines if "/goldlock-" not in line and " in " not in line])
    assert reports[0] == reports[1] == reports[2]


def test_a_pytest_that_stops_early_starts_no_more(run_tests: RunTests, suite: MakeSuite) -> None:
    ran = suite.root / "ran"
    suite.case("1", "echo wrong", golden="right\n")
    for number in range(2, 6):
        suite.case(str(number), f"echo {number} >>{ran}; sleep 1000", golden="")
    done = run_tests("--suite", str(suite.root), "-j", "1", "--", "-x")
    assert done.returncode == 1
    assert not ran.exists() or ran.read_text() == "2\n"
