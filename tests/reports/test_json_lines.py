# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON lines: what a program reads that follows a run."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_a_line(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    mixed.kit()
    report = tmp_path / "run.jsonl"
    options = ("--suite", str(mixed.root), "--programs", "embedded", "--json-lines", str(report))
    run_tests(*options, python=any_python)
    start, one, two, three, four, orphan, end = read(report)
    assert start["event"] == "run start"
    assert (start["suite"], start["cases"], start["imgfmt"]) == ("suite", 4, "qcow2")
    assert start["embedded"] is True
    assert set(start["programs"]) == {"qemu-system", "qemu-img", "qemu-io"}
    assert [each["state"] for each in (one, two, three, four)] == [
        "passed",
        "failed",
        "failed",
        "not run",
    ]
    assert one["groups"] == ["quick"]
    assert one["seconds"] > 0
    assert one["last"] is None
    assert start["started"] - 60 < one["started"] < start["started"] + 60
    assert [section["passed"] for section in two["sections"]] == [True, False, False]
    assert two["sections"][1]["line"] == 3
    assert two["golden"] == str(mixed.root / "expected" / "2.out")
    assert Path(two["kept"], "output").exists()
    assert three["problems"][1] == "last output:\n    == Only ==\n    last words"
    assert four["reason"] == "no lock here"
    assert orphan["event"] == "other"
    assert "no case owns this golden" in orphan["text"]
    assert end["event"] == "run end"
    assert (end["status"], end["stopped"]) == (1, False)
    assert end["totals"] == {
        "passed": 1,
        "failed": 2,
        "not run": 1,
        "sections": 5,
        "differing": 2,
        "others": 1,
    }
    docs = (ROOT / "docs/reports.md").read_text()
    for event in (one, orphan, end):
        (row,) = re.findall(rf"^\| `{event.pop('event')}` \|.*", docs, re.MULTILINE)
        assert not event.keys() - set(re.findall(r"`(\w+)`", row))


def test_last_time_stands_beside_this_time(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo a", golden="a\n")
    report = tmp_path / "run.jsonl"
    options = ("--suite", str(suite.root), "--json-lines", str(report))
    run_tests(*options)
    first = read(report)[1]
    run_tests(*options)
    second = read(report)[1]
    assert second["last"] == round(first["seconds"], 3)


def test_what_was_judged_is_there_when_the_run_is_killed(suite: MakeSuite, tmp_path: Path) -> None:
    fifo, report = tmp_path / "fifo", tmp_path / "run.jsonl"
    os.mkfifo(fifo)
    suite.case("1", "echo a", golden="a\n")
    suite.case("2", f"echo $$ >{fifo}; exec sleep 1000", golden="")
    options = ["--suite", str(suite.root), "--json-lines", str(report)]
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), *options],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        text=True,
    )
    case = int(fifo.read_text())
    assert runner.stdout
    for line in runner.stdout:
        if "::1 PASSED" in line:
            break
    runner.kill()
    runner.communicate()
    with suppress(ProcessLookupError):  # whoever cleans up may have been faster
        os.kill(case, signal.SIGKILL)
    assert [each["event"] for each in read(report)] == ["run start", "case"]
