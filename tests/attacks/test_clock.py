# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock is set, forward and back, while cases run: no limit and no duration goes by it.

Not that of the machine: libfaketime tells another time of day to a run and all that it starts.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.attacks.places import LIMIT
from tests.conftest import MakeSuite, RunTests

HOURS = 7200
"""Seconds by which the clock is set, far more than a run takes."""

SET = "f=$FAKETIME_TIMESTAMP_FILE; echo '{jump}' >$f.new; mv $f.new $f"

TALK = """#!/usr/bin/env python3
from goldlock import Case, run

PROGRAM = '''
import array, fcntl, os, sys, termios


def say(text):
    os.write(1, text)
    unread = array.array("i", [1])
    while unread[0]:  # whoever waits for more has read it, and waits on
        os.sched_yield()
        fcntl.ioctl(1, termios.FIONREAD, unread)


say(b"a")
os.system("{set}")
say(b"b")
say(b"c" + os.linesep.encode())
sys.stdin.read()
'''


def main(case: Case) -> None:
    case.program("sh", "-c")("{at_zero}")
    with case.start("python3", "-c", PROGRAM) as program:
        case.log(program.line("abc"))
    with case.task_group() as group:
        group.start(task)


def task(case: Case) -> None:
    case.log(case.program("sh", "-c")("{set}; echo task").stdout)


run(main)
"""


def _preload() -> Mapping[str, str]:
    """Return the variables that have programs ask libfaketime for the time of day."""
    if not shutil.which("faketime"):
        assert not os.environ.get("CI"), "CI must have faketime"
        pytest.skip("needs faketime")
    command = ["faketime", "-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    only_the_clock = ("FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT", "FAKETIME_NO_CACHE")
    return {"LD_PRELOAD": done.stdout.strip(), **dict.fromkeys(only_the_clock, "1")}


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_the_clock_is_set(
    suite: MakeSuite, run_tests: RunTests, tmp_path: Path, direction: str
) -> None:
    """Promised: each limit is as long as without, and reports tell how long things took."""
    jump = f"{HOURS if direction == 'forward' else -HOURS:+}"
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {**_preload(), "FAKETIME_TIMESTAMP_FILE": str(clock)}
    (suite.root / "suite.toml").write_text(f"environment = {[*faked]}\n")
    at_zero, set_clock = (SET.replace("{jump}", each) for each in ("+0", jump))
    suite.case("1", f"{set_clock}\necho one", golden="one\n")
    suite.case(
        "2.py", TALK.replace("{at_zero}", at_zero).replace("{set}", set_clock), "abc\ntask\n"
    )
    for number, limit, last in (("3", LIMIT, "echo on"), ("4", 2, "sleep 1000")):
        script = f"# timeout: {limit:g}\n{at_zero}\n{set_clock}\n{last}"
        suite.case(number, script, golden="on\n")
    told, junit, page = (tmp_path / name for name in ("lines", "junit", "page.html"))
    options = ["--json-lines", str(told), "--junit-xml", str(junit), "--html", str(page)]
    done = run_tests("--suite", str(suite.root), "-j1", *options, **faked)
    assert "4 cases: 3 passed, 1 failed" in done.stdout, done.stdout
    assert "time limit: the case was still running after 2 s" in done.stdout
    assert "Traceback" not in done.stdout

    events = [json.loads(line) for line in told.read_text().splitlines()]
    start, *cases, end = (each for each in events if each["event"] != "section")
    run = ET.fromstring(junit.read_text()).find("testsuite")
    assert run is not None
    times = [float(each.get("time", "")) for each in (run, *run.iter("testcase"))]
    for seconds in (end["seconds"], *(case["seconds"] for case in cases), *times):
        assert 0 <= seconds < HOURS / 2
    for case in cases:
        assert abs(case["started"] - start["started"]) < HOURS / 2
