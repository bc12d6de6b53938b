"""A case that waits for ever tells for what, and ends as any other."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.casework.test_parts import Started
from tests.conftest import MakeSuite, RunTests

PROGRAM = """
import sys
print('{"QMP": {}}\\n(qemu) ', flush=True)
if "quiet" in sys.argv:
    open(sys.argv[sys.argv.index("quiet") + 1], "w").close()
    sys.stdin.read()
for line in sys.stdin:
    print('{"return": {}}', flush=True)
    if "never" in line:
        open("ready", "w").close()
"""

SCRIPT = """#!/usr/bin/env python3
import os
from harness.case import Case, run
{}
run(story)
"""

EVENT = """
def story(case):
    with case.holder() as holder:
        holder.qmp("{'execute': 'x'}")
        holder.event("NEVER")
"""
ANSWER = """
def story(case):
    with case.human_monitor() as monitor:
        monitor.hmp("x")
"""
PARTS = f"""
{EVENT.replace("story", "part")}
def story(case):
    with case.side_by_side() as parts:
        parts.start(part)
"""
UTILITY = """
def story(case):
    os.mkfifo("never")
    case.qemu_img("quiet", "never")
"""


@pytest.mark.parametrize(
    ("story", "told"),
    [
        (EVENT, "cases/1.py:8: waiting for qemu-fake (pid N) to send the event NEVER"),
        (ANSWER, "cases/1.py:7: waiting for qemu-fake (pid N) to answer 'x'"),
        (PARTS, "cases/1.py:9: waiting for qemu-fake (pid N) to send the event NEVER"),
        (UTILITY, "cases/1.py:7: waiting for qemu-img (pid N) to end"),
    ],
    ids=["event", "answer", "in a part", "program"],
)
def test_at_the_time_limit_a_case_tells_what_it_waits_for(
    run_tests: RunTests, suite: MakeSuite, story: str, told: str
) -> None:
    program = suite.root / "qemu-fake"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    suite.case("1.py", SCRIPT.format(story), "")
    said = run_tests(
        *("--suite", str(suite.root), "--time-limit", "5"),
        QEMU_PROG=str(program),
        QEMU_IMG_PROG=str(program),
    ).stdout
    lines = [line.strip() for line in said.splitlines() if "waiting for" in line]
    assert {re.sub(r"pid \d+", "pid N", line) for line in lines} == {f"{suite.root}/{told}"}, said


ENDED = {
    "waiting": "    case.qemu_img('-c', 'echo >../go; exec sleep 1000')\n",
    # A long call into C, in which no handler of Python's is called:
    "in C": "    open('../go', 'w').close()\n    re.match('(a*)*b', 64 * 'a')\n",
}


@pytest.mark.parametrize("name", ENDED)
def test_a_case_dies_of_the_signal(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "go")
    text = f"import re\ndef story(case):\n{ENDED[name]}"
    started = Started(tmp_path, text, qemu_img_prog="/bin/sh")
    (tmp_path / "go").open().close()
    started.process.send_signal(signal.SIGTERM)
    try:
        assert started.process.wait(30) == -signal.SIGTERM
    finally:
        started.process.kill()
