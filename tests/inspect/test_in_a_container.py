# SPDX-License-Identifier: GPL-2.0-or-later
"""Process ids of their own, as in a container, whose /proc/locks lacks what outlived its taker."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, run_to_end
from tests.lockcalls.support import need

APART = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"])]
BEFORE = {
    "here": [],
    "in a container": [*APART, "--pid", "--fork", "--kill-child", "--mount-proc"],
    "masked": [
        *(*APART, "--mount"),
        *("sh", "-ec", 'mount --bind /dev/null /proc/locks; exec "$@"', "sh"),
    ],
}
WHO = r"sed 's/: [^:]* (pid [0-9]*,/: X (/'"
GOLDLOCK = f"'{sys.executable}' -P -m goldlock"
Start = Callable[..., str]


@pytest.fixture(params=["here", "in a container"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Run a command, and return what it prints."""
    before = BEFORE[request.param]
    need("unshare")
    if subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("an ordinary user may have no namespaces here")

    def printed(*words: str) -> str:
        environ = {"PYTHONPATH": str(ROOT / ".import"), "TEST_DIR": str(tmp_path / "scratch")}
        done = run_to_end([*before, *words], cwd=tmp_path, timeout=120, **environ)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return printed


OF_A_SHELL = f"""\
: >f
goldlock wait --unlocked f
exec 9>f
flock 9    # it takes the lock, and ends
goldlock wait --locked f
flock f true 9>&- &
goldlock wait --blocked $!
flock --shared f true 9>&- &
goldlock wait --blocked $!
goldlock locks f | {WHO}
exec 9>&-
wait
goldlock wait --unlocked f
"""
TOLD = """\
f: all bytes, exclusive (flock): X ( holder)
f: all bytes, exclusive (flock): X ( contender)
f: all bytes, shared (flock): X ( contender)
"""


OF_A_LEASE = """\
: >f
exec 9<f
'PYTHON' -c 'import fcntl; fcntl.fcntl(9, fcntl.F_SETLEASE, fcntl.F_WRLCK)'
goldlock wait --locked f
cat f 9<&- &
goldlock wait --blocked $!
exec 9<&-
wait
goldlock wait --unlocked f
"""

BY_TWO_NAMES = f"""\
: >a
ln a b
exec 9>a
flock 9
flock --shared b true 9>&- &
goldlock wait --blocked $!
goldlock locks . | {WHO}
exec 9>&-
wait
"""
NAMED_ONCE = """\
a: all bytes, exclusive (flock): X ( holder)
a: all bytes, shared (flock): X ( contender)
"""

HANDED_ON = """
import os, subprocess, sys
from goldlock.inspect.lock_table import Watch
def holder():
    line = ["sh", "-c", "exec 9>f; flock 9; echo; read x"]
    found = subprocess.Popen(line, stdin=-1, stdout=-1)
    found.stdout.readline()
    return found
watch, one = Watch("."), holder()
before = watch.changed([])
one.communicate()
other = holder()
after = watch.changed([])
other.communicate()
print(before.replace(str(one.pid), str(other.pid)) == after, before == after)
"""


def shell(start: Start, script: str) -> str:
    """Run a script as a case would be run, outside of one."""
    script = script.replace("goldlock", GOLDLOCK).replace("PYTHON", sys.executable)
    return start("sh", "-ec", script)


def test_a_lock_that_a_shell_has_from_flock(start: Start) -> None:
    assert shell(start, OF_A_SHELL) == TOLD


def test_a_lease_that_a_shell_has(start: Start) -> None:
    """It keeps others from opening the file: a break of it is all that they wait for."""
    assert shell(start, OF_A_LEASE) == ""


def test_who_waits_by_another_name_of_the_file_is_told_once(start: Start) -> None:
    assert shell(start, BY_TWO_NAMES) == NAMED_ONCE


def test_a_table_has_changed_where_another_has_the_same_lock(start: Start) -> None:
    assert start(sys.executable, "-P", "-c", HANDED_ON) == "True False\n"


@pytest.mark.parametrize("start", BEFORE, indirect=True)
def test_waits_where_the_table_may_be_masked(start: Start) -> None:
    """They go by what processes tell then."""
    waits = [line for line in OF_A_SHELL.splitlines() if not line.startswith("goldlock locks")]
    assert shell(start, "\n".join(waits)) == ""
    assert shell(start, OF_A_LEASE) == ""


def test_one_in_a_case(start: Start, suite: MakeSuite) -> None:
    suite.case("1", OF_A_SHELL, TOLD)
    said = start(sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root))
    assert "1 case: 1 passed" in said
