# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that stand still before a call until they are let go."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import MakeSuite, RunTests
from tests.lockcalls.support import FAULTS, LOCKER, Run

Traced = Callable[[], list[str]]
LOCK = " ".join(LOCKER)


def test_a_call_stands_still_until_it_is_let_go(
    supervised: Run, image: Path, traced: Traced
) -> None:
    """Another program is served meanwhile."""
    script = f"""
key=$({FAULTS} --add 'lock 1 of {image} is paused')
{LOCK} {image} lock:1 & {FAULTS} --await $key
{LOCK} {image} write:2 write:7
{FAULTS} --clear $key >hits; wait; cat hits
"""
    done = supervised(["sh", "-c", script], cwd=image.parent)
    assert done.stderr == ""
    assert done.stdout == "1\nwrite:2: ok\nwrite:7: ok\nlock:1: ok\n1\n"
    assert [line.split(", ")[-1] for line in traced()] == [
        "read: paused",
        "write: ok",
        "write: ok",
        "read: ok",
    ]


def test_several_stand_still_at_once(supervised: Run, image: Path) -> None:
    """And one pause lies within another: each key lets go of its own."""
    script = f"""
first=$({FAULTS} --add 'lock 1 is paused')
second=$({FAULTS} --add 'lock 2 is paused')
{LOCK} {image} lock:1 & {FAULTS} --await $first
{LOCK} {image} lock:2 & {FAULTS} --await $second
{FAULTS} --clear $second >/dev/null; wait $!
{FAULTS} --clear $first >/dev/null; wait
"""
    done = supervised(["sh", "-c", script], cwd=image.parent)
    assert done.stderr == ""
    assert done.stdout == "1\n1\nlock:2: ok\nlock:1: ok\n"


def test_a_paused_program_can_be_killed(supervised: Run, image: Path) -> None:
    script = f"""
key=$({FAULTS} --add 'lock 1 is paused')
{LOCK} {image} lock:1 & {FAULTS} --await $key
kill -9 $!; wait; {FAULTS} --clear $key
"""
    done = supervised(["sh", "-c", script], cwd=image.parent)
    assert (done.stdout, done.returncode) == ("1\n1\n", 0)


def test_a_pause_in_a_case(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case(
        "1.py",
        "#!/usr/bin/env python3\n# needs: faults\n"
        "import subprocess\n"
        "from goldlock import Case, run\n"
        f"LOCKER = {LOCKER!r}\n"
        "def main(case: Case) -> None:\n"
        "    open('f', 'w').close()\n"
        "    with case.pause('lock 1 of f') as held:\n"
        "        process = subprocess.Popen([*LOCKER, 'f', 'lock:1'], stdout=subprocess.PIPE)\n"
        "        held.wait()\n"
        "        case.log(case.lock_calls().rpartition(': ')[2])\n"
        "        held.go_on()\n"
        "        case.log(process.communicate()[0].decode())\n"
        "    with case.pause('lock 2 of f', limit=0.01) as held:\n"
        "        held.wait()\n"
        "run(main)\n",
        golden="paused\nlock:1: ok\n",
    )
    done = run_tests("--suite", str(suite.root))
    assert "lock 2 of f: no such call came in 0.01 s" in done.stdout
    assert "1 case: 1 failed" in done.stdout
