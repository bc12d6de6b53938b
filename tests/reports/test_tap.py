# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP, as its readers take it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import MakeSuite, RunTests


class Point(NamedTuple):
    ok: bool
    description: str
    skip: str | None
    data: dict[str, Any]
    children: "list[Point]"


def parse(lines: list[str]) -> list[Point]:
    """Return the test points of a document; what is indented goes before its own."""
    points: list[Point] = []
    child: list[str] = []
    plan = None
    lines = list(lines)
    while lines:
        line = lines.pop(0)
        if line.startswith("    "):
            child.append(line[4:])
        elif found := re.fullmatch(r"1\.\.(\d+)", line):
            assert plan is None, "two plans"
            plan = int(found[1])
        elif found := re.fullmatch(
            r"(not )?ok (\d+) - ((?:[^#\\]|\\[#\\])*?)(?: # SKIP (.*))?", line
        ):
            assert int(found[2]) == len(points) + 1
            description = re.sub(r"\\([#\\])", r"\1", found[3])
            points.append(Point(not found[1], description, found[4], _data(lines), parse(child)))
            child = []
        else:
            assert line.startswith(("#", "TAP version", "Bail out!")), line
    assert not child, "a subtest without its point"
    assert plan == len(points) or not lines
    return points


def _data(lines: list[str]) -> dict[str, Any]:
    """Take the YAML that follows off the lines."""
    data: dict[str, Any] = {}
    if not lines or lines[0] != "  ---":
        return data
    lines.pop(0)
    while (line := lines.pop(0)) != "  ...":
        name, _, value = line.strip().partition(": ")
        if name == "diff:":
            data["diff"] = []
        elif line.startswith("    - "):
            data["diff"].append(json.loads(line[6:]))
        else:
            data[name] = json.loads(value)
    return data


def test_sections_are_subtests(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    report = tmp_path / "report.tap"
    run_tests("--suite", str(mixed.root), "--tap", str(report), python=any_python)
    lines = report.read_text().splitlines()
    assert lines[0] == "TAP version 13"
    assert "1..5" in lines
    one, two, three, four, orphan = parse(lines)
    assert (one.ok, one.description) == (True, "1")
    assert [(child.ok, child.description) for child in two.children] == [
        (True, "A # hash \\ [::]"),
        (False, "Two"),
        (False, "Three"),
    ]
    assert not two.ok
    differs = two.children[1].data
    assert differs["at"] == {"file": str(mixed.root / "expected" / "2.out"), "line": 3}
    assert "-     3  ]]> 100%, a: c" in differs["diff"]
    assert three.data["problems"][0] == "exit status 3: the case did not come to its end"
    assert (four.ok, four.skip) == (True, "no lock here")
    assert (orphan.ok, orphan.description) == (False, str(mixed.root / "expected" / "9.out"))


def test_a_run_that_stops_early_says_so(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path
) -> None:
    report = tmp_path / "report.tap"
    done = run_tests("--suite", str(mixed.root), "--tap", str(report), "--", "-x")
    assert report.exists(), done.stdout
    lines = report.read_text().splitlines()
    assert "1..4" in lines
    assert lines[-1].startswith("Bail out! ")


def test_prove_agrees(run_tests: RunTests, mixed: MakeSuite, tmp_path: Path) -> None:
    """The reader that TAP comes from."""
    if not shutil.which("prove"):
        pytest.skip("there is no prove")
    report = tmp_path / "report.tap"
    run_tests("--suite", str(mixed.root), "--tap", str(report))
    done = subprocess.run(
        ["prove", "-e", "cat", report], capture_output=True, text=True, check=False
    )
    assert "Failed tests:  2-3, 5" in done.stdout
    assert "1 skipped" in done.stdout
    assert "Parse errors" not in done.stdout
