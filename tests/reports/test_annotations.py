# SPDX-License-Identifier: GPL-2.0-or-later
"""What GitHub and GitLab are told."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.conftest import MakeSuite, RunTests


def commands(said: str) -> list[tuple[dict[str, str], str]]:
    """Return properties and message of each ``::error`` command, as GitHub's runner reads them."""
    found = re.findall(r"^::error (.*?)::(.*)$", said, re.M)
    split = [
        (dict(each.split("=", 1) for each in properties.split(",")), message)
        for properties, message in found
    ]
    return [
        ({name: unquote(value) for name, value in properties.items()}, unquote(message))
        for properties, message in split
    ]


def test_github_is_told_of_each_failure(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    done = run_tests("--suite", str(mixed.root), python=any_python, **variables)
    two, three, problem, orphan = commands(done.stdout)
    assert two[0] == {"file": "suite/expected/2.out", "line": "3", "title": "2 [Two]"}
    assert two[1].startswith(f"{mixed.root}/expected/2.out:3: the output differs from the golden\n")
    assert "-     3  ]]> 100%, a: c\n" in two[1]
    assert three[0] == {"file": "suite/expected/2.out", "line": "4", "title": "2 [Three]"}
    assert problem[0] == {"file": "suite/cases/3", "line": "1", "title": "3"}
    assert problem[1].startswith("exit status 3: the case did not come to its end\n")
    assert orphan[0]["file"] == "suite/expected/9.out"


def test_a_case_without_a_golden_is_annotated_at_its_script(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo == One ==; echo a")
    suite.case("2", "echo == One ==; exit 3")
    done = run_tests(
        "--suite", str(suite.root), GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(tmp_path)
    )
    found = commands(done.stdout)
    assert {properties["file"] for properties, _ in found} == {"suite/cases/1", "suite/cases/2"}
    assert found[0][1].startswith(f"{suite.root}/cases/1:1: new: there is no golden\n")
    assert found[1][1].endswith("1.out: no golden; read the output, then --update makes one")
    assert "2.out: no golden; there can be one when the case comes to its end" in found[3][1]
    assert "differs from the golden" not in done.stdout


def test_nobody_else_is(run_tests: RunTests, mixed: MakeSuite) -> None:
    assert "::error" not in run_tests("--suite", str(mixed.root), GITHUB_ACTIONS="").stdout


def test_what_a_title_may_hold_ends_no_property(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo '== 100%: a,b=c::d =='; echo e", golden="== 100%: a,b=c::d ==\n")
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    ((properties, _),) = commands(run_tests("--suite", str(suite.root), **variables).stdout)
    assert properties["title"] == "1 [100%: a,b=c::d]"
    assert properties["line"] == "1"


@pytest.mark.parametrize("told", [True, False], ids=["told by GitLab", "found by .git"])
def test_gitlab_gets_a_report_of_code_quality(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, told: bool
) -> None:
    if not told:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    variables = {"CI_PROJECT_DIR": str(tmp_path)} if told else {}
    report = tmp_path / "report.json"
    run_tests("--suite", str(mixed.root), "--gitlab-report", str(report), **variables)
    issues = json.loads(report.read_text())
    assert [(each["location"]["path"], each["location"]["lines"]["begin"]) for each in issues] == [
        ("suite/expected/2.out", 3),
        ("suite/expected/2.out", 4),
        ("suite/cases/3", 1),
        ("suite/expected/9.out", 1),
    ]
    assert issues[0]["description"] == (
        "2 [Two]: the output differs from the golden: expected ']]> 100%, a: c'"
    )
    assert len({each["fingerprint"] for each in issues}) == 4
    assert {each["severity"] for each in issues} == {"major"}


def test_a_failure_stays_the_same_one_when_lines_are_added_above_it(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    golden = mixed.root / "expected" / "2.out"

    def fingerprints() -> list[str]:
        run_tests("--suite", str(mixed.root), "2", "--gitlab-report", str(report))
        return [each["fingerprint"] for each in json.loads(report.read_text())]

    before = fingerprints()
    golden.write_text(golden.read_text().replace("== Two", "one more\n== Two"))
    assert set(before) <= set(fingerprints())
