# SPDX-License-Identifier: GPL-2.0-or-later
"""A case that hangs tells where, and what it waits for, and ends as any other."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.case.test_parallel import Started
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
import time
from goldlock.kits.qemu import Case, run
{}
run(main)
"""

EVENT = """
def main(case):
    with case.holder() as holder:
        holder.qmp("{'execute': 'x'}")
        holder.event("NEVER")
"""
ANSWER = """
def main(case):
    with case.human_monitor() as monitor:
        monitor.hmp("x")
"""
PARTS = f"""
{EVENT.replace("main", "part")}
def main(case):
    with case.task_group() as group:
        group.start(part)
"""
STATE = """
def main(case):
    os.mkfifo("f")
    case.wait_for(missing="f", limit=1000)
"""
SLEEP = """
def main(case):
    time.sleep(1000)
"""
FIFO = """
def main(case):
    os.mkfifo("never")
    open("never")
"""
BUSY = """
def main(case):
    sum(range(10**12))
"""
PART = """
def part(case):
    open("../../never")
def main(case):
    os.mkfifo("never")
    with case.task_group() as group:
        group.start(part)
"""
BLOCK = """
def main(case):
    with case.task_group() as group:
        sum(range(10**12))
"""
AFTER_PARTS = """
def main(case):
    with case.task_group() as group:
        group.start(lambda case: None)
    time.sleep(1000)
"""
FORK = """
def main(case):
    if os.fork():
        os.wait()
    time.sleep(1000)
"""
UTILITY = """
def main(case):
    os.mkfifo("never")
    case.qemu_img("quiet", "never")
"""


HANGS = {
    EVENT: {"9: waiting for qemu-fake (pid N) to send the event NEVER"},
    ANSWER: {"8: waiting for qemu-fake (pid N) to answer 'x'"},
    PARTS: {"10: waiting for qemu-fake (pid N) to send the event NEVER", "13: in main"},
    UTILITY: {"8: waiting for qemu-img (pid N) to end"},
    STATE: {"8: waiting for f to be gone"},
    SLEEP: {"7: in main"},
    FIFO: {"8: in main"},
    BUSY: {"7: in main"},
    PART: {"7: in part", "10: in main"},
    BLOCK: {"8: in main"},
    AFTER_PARTS: {"9: in main"},
    FORK: {"8: in main"},
}


def places(said: str, root: Path) -> dict[str, set[str]]:
    """Return the places that a report names, by the number of the case."""
    found: dict[str, set[str]] = {}
    for number, place in re.findall(rf"^ *{root}/cases/(\d+)\.py:(\d+: \w+ .*)", said, re.M):
        found.setdefault(number, set()).add(re.sub(r"pid \d+", "pid N", place))
    return found


def test_at_the_time_limit_a_case_tells_where_it_is(run_tests: RunTests, suite: MakeSuite) -> None:
    program = suite.root / "qemu-fake"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    for number, main in enumerate(HANGS, start=1):
        suite.case(f"{number}.py", SCRIPT.format(main), "")
    said = run_tests(
        *("--suite", str(suite.root), "--time-limit", "10", "-j", str(len(HANGS))),
        QEMU_PROG=str(program),
        QEMU_IMG_PROG=str(program),
    ).stdout
    told = {str(number): each for number, each in enumerate(HANGS.values(), start=1)}
    assert places(said, suite.root) == told, said


ENDED = {
    "waiting": "    case.program('sh')('-c', 'echo $$ >../go; exec sleep 1000')\n",
    # A long call into C, in which no handler of Python's is called:
    "in C": "    open('../go', 'w').close()\n    sum(range(10**12))\n",
}


@pytest.mark.parametrize("name", ENDED)
def test_a_case_dies_of_the_signal(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "go")
    text = f"def main(case):\n{ENDED[name]}"
    started = Started(tmp_path, text)
    programs = (tmp_path / "go").read_text().split()
    started.process.send_signal(signal.SIGTERM)
    try:
        assert started.process.wait(60) == -signal.SIGTERM
    finally:
        started.process.kill()
        for pid in programs:  # which only a run would end
            os.kill(int(pid), signal.SIGKILL)


DEEP = """
exec(compile(
    "def dive(depth, ready, never):\\n"
    "  if depth: return dive(depth - 1, ready, never)\\n"
    "  os.write(ready, b'x')\\n"
    "  os.read(never, 1)\\n",
    "deep", "exec"
))
def part(case, ready, never):
    dive(90, ready, never)
def main(case):
    ready, never = os.open("../ready", os.O_WRONLY), os.pipe()[0]
    with case.task_group() as group:
        group.start(part, ready, never)
        group.start(part, ready, never)
"""


def test_a_group_that_is_signalled_dumps_each_stack_whole(tmp_path: Path) -> None:
    """The case ends its tasks, too: a second signal must not come in the midst of a dump."""
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        os.mkfifo(folder / "ready")
        started = Started(
            folder,
            DEEP,
            goldlock_stack_dump=str(folder / "stack"),
        )
        with (folder / "ready").open("rb", buffering=0) as ready:
            waiting = ready.read(1) + ready.read(1)
        os.killpg(started.process.pid, signal.SIGTERM)
        assert (waiting, started.process.wait(60)) == (b"xx", -signal.SIGTERM)
        told = (folder / "failure-report").read_text()
        assert told.count("1.py:16: in part") == 2, told


HANDLES = """
import signal
{before}
def main(case):
    {inside}
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        assert os.waitpid(child, 0)[1] == 0
        with case.task_group():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
"""
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'handled\\n'))"


@pytest.mark.parametrize(
    ("before", "inside"), [(HANDLER, ""), ("", HANDLER)], ids=["before run", "in main"]
)
def test_a_script_may_handle_the_signal_itself(tmp_path: Path, before: str, inside: str) -> None:
    """So may its forks."""
    text = HANDLES.format(before=before, inside=inside or "pass")
    started = Started(tmp_path, text, goldlock_stack_dump=str(tmp_path / "stack"))
    assert started.ended() == (0, "handled\n" * 2)
