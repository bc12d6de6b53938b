# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite that is split over machines."""

import json
from pathlib import Path

import pytest
from goldlock.runner.shards import FILE, shard
from goldlock.suite.cases import Case

from tests.conftest import MakeSuite, RunTests


def cases(*numbers: str) -> list[Case]:
    return [Case(number, Path(number)) for number in numbers]


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("seconds", [{}, {"1": 9.0, "2": 1.0, "4": 3.5}, {"6": 0.0, "99": 5.0}])
def test_each_case_is_in_one_shard(number: int, seconds: dict[str, float]) -> None:
    suite = cases("1", "2", "3", "4", "5", "6")
    shards = [shard(suite, index, number, seconds) for index in range(1, number + 1)]
    found = [case.name for each in shards for case in each]
    assert sorted(found) == ["1", "2", "3", "4", "5", "6"]
    assert all(each == sorted(each, key=lambda case: case.name) for each in shards)


def test_shards_take_as_long() -> None:
    seconds = {"1": 9.0, "2": 1.0, "3": 4.0, "4": 4.0}
    halves = [shard(cases("1", "2", "3", "4"), index, 2, seconds) for index in (1, 2)]
    assert [[case.name for case in half] for half in halves] == [["1"], ["2", "3", "4"]]


def test_shards_of_a_run(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    for number in "12345":
        suite.case(number, f"echo {number} >>{tmp_path}/log", golden="")
    done = run_tests("--suite", str(suite.root), "--store-durations")
    assert f"stored the durations of 5 cases: {suite.root}/{FILE}" in done.stdout
    assert [*json.loads((suite.root / FILE).read_text())] == [*"12345"]
    (tmp_path / "log").unlink()
    for index in "123":
        done = run_tests("--suite", str(suite.root), "--shard", f"{index}/3")
        assert done.returncode == 0
        assert f"shard {index}/3: " in done.stdout
    assert sorted((tmp_path / "log").read_text().split()) == [*"12345"]


def test_more_shards_than_cases(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo right", golden="right\n")
    done = run_tests("--suite", str(suite.root), "--shard", "2/2")
    assert (done.returncode, done.stdout) == (0, "shard 2/2: none of 1 case\n")


def test_a_shard_does_not_know_which_goldens_nobody_owns(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case("1", "echo right", golden="right\n")
    (suite.root / "expected" / "2.out").write_text("lost\n")
    assert run_tests("--suite", str(suite.root)).returncode == 1
    assert run_tests("--suite", str(suite.root), "--shard", "1/1").returncode == 0


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard(run_tests: RunTests, suite: MakeSuite, text: str) -> None:
    suite.case("1", "echo right", golden="right\n")
    done = run_tests("--suite", str(suite.root), f"--shard={text}")
    assert done.returncode == 2
    assert done.stdout.startswith("run_tests.py: --shard takes I/N")


@pytest.mark.parametrize("text", ["{", "[]", '{"1": "long"}', '{"1": null}'])
def test_durations_that_are_damaged(run_tests: RunTests, suite: MakeSuite, text: str) -> None:
    suite.case("1", "echo right", golden="right\n")
    (suite.root / FILE).write_text(text)
    for option in ("--shard=1/2", "--store-durations"):
        done = run_tests("--suite", str(suite.root), option)
        assert done.returncode == 2
        assert done.stdout.startswith(f"run_tests.py: {suite.root}/{FILE}: ")
        assert done.stdout.count("\n") == 1
    assert (suite.root / FILE).read_text() == text


def test_far_more_shards_than_cases(run_tests: RunTests, suite: MakeSuite) -> None:
    for number in "123":
        suite.case(number, "echo a", golden="a\n")
    root = str(suite.root)
    listed = [run_tests("--suite", root, "--shard", f"{i}/99999999999", "-n") for i in (1, 2, 3, 4)]
    assert [done.returncode for done in listed] == [0] * 4
    assert "none of 3 cases" in listed[3].stdout
