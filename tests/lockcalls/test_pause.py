# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that stand still before a call until they are let go."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MakeSuite, RunTests
from tests.lockcalls.support import FAULTS, LOCKER, Run, need

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


@pytest.mark.parametrize(
    ("program", "plan"),
    [
        ("flock f true", "flock f by flock"),
        ("sqlite3 f 'create table t(x)'", "lock 1073741825 of f by sqlite3"),
        ("git init -q .; git add f", "create .git/index.lock by git"),
        ("dotlockfile -p l", "link to l by dotlockfile"),
        ("qemu-io -f raw -r -c quit f", "lock 100 of f by qemu-io"),
    ],
)
def test_each_kind_of_lock_stands_still(
    supervised: Run, tmp_path: Path, traced: Traced, program: str, plan: str
) -> None:
    """Leases do with Samba: see test_leases."""
    need(program.partition(" ")[0])
    (tmp_path / "f").touch()
    script = f"""
key=$({FAULTS} --add '{plan} is paused')
{{ {program}; }} >out & {FAULTS} --await $key
grep -c 'paused$' trace; {FAULTS} --clear $key; wait $!; echo $?
"""
    done = supervised(["sh", "-c", script], files=True, cwd=tmp_path, timeout=120)
    assert (done.stdout, done.stderr) == ("1\n1\n1\n0\n", "")
    lines = traced()
    (at,) = [i for i, line in enumerate(lines) if line.endswith(": paused")]
    assert lines[at + 1] == lines[at].removesuffix("paused") + "ok"


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


def test_a_paused_program_can_be_killed(supervised: Run, image: Path, traced: Traced) -> None:
    """What others do then is as certain as before."""
    script = f"""
key=$({FAULTS} --add 'lock 1 is paused')
{LOCK} {image} lock:1 & {FAULTS} --await $key
kill -9 $!; wait; {FAULTS} --clear $key
{LOCK} {image} posix-lock:1
"""
    done = supervised(["sh", "-c", script], cwd=image.parent)
    assert (done.stdout, done.returncode) == ("1\n1\nposix-lock:1: ok\n", 0)
    assert [line.split(", ")[-1] for line in traced()] == ["read: paused", "read posix: ok"]


@pytest.mark.usefixtures("_supervisor")
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
