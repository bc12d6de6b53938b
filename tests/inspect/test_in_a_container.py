# SPDX-License-Identifier: GPL-2.0-or-later
"""Process ids of their own, as in a container, whose /proc/locks lacks what outlived its taker."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, quiet_environment

CONTAINER = [
    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *([] if os.geteuid() == 0 else ["--map-root-user"]),
]
GOLDLOCK = f"'{sys.executable}' -P -m goldlock"
Start = Callable[..., str]


@pytest.fixture(params=["here", "in a container"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Run a command, and return what it prints."""
    before = CONTAINER if request.param != "here" else []
    if subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("an ordinary user may have no process ids of their own here")

    def run(*words: str) -> str:
        done = subprocess.run(
            [*before, *words],
            env={
                **quiet_environment(),
                "PYTHONPATH": str(ROOT / ".import"),
                "TEST_DIR": str(tmp_path / "scratch"),
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


OF_A_SHELL = """\
: >f
goldlock wait --unlocked f
exec 9>f
flock 9    # it takes the lock, and ends
goldlock wait --locked f
flock f true 9>&- &
goldlock wait --blocked $!
flock --shared f true 9>&- &
goldlock wait --blocked $!
goldlock locks f | sed 's/: [^:]* (pid [0-9]*,/: X (/'
exec 9>&-
wait
goldlock wait --unlocked f
"""
TOLD = """\
f: all bytes, exclusive (flock): X ( holder)
f: all bytes, exclusive (flock): X ( contender)
f: all bytes, shared (flock): X ( contender)
"""


def test_a_lock_that_a_shell_has_from_flock(start: Start) -> None:
    script = OF_A_SHELL.replace("goldlock", GOLDLOCK)
    assert start("sh", "-ec", script) == TOLD


def test_one_in_a_case(start: Start, suite: MakeSuite) -> None:
    suite.case("1", OF_A_SHELL, TOLD)
    said = start(sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root))
    assert "1 case: 1 passed" in said
