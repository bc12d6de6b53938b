# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container or a kernel may lack: it is named, all of it, and nothing is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.lockcalls import launcher
from goldlock.lockcalls.seccomp import SECCOMP_NUMBER

from tests.attacks.places import run
from tests.conftest import MakeSuite

REFUSE = [sys.executable, str(Path(__file__).parents[1] / "attacks/refuse.py")]
COMMAND = [sys.executable, "-m", "goldlock.lockcalls"]
SECCOMP = str(SECCOMP_NUMBER[os.uname().machine])
WRITE = {"x86_64": 311, "aarch64": 271}.get(os.uname().machine)
KCMP = {"x86_64": 312, "aarch64": 272}.get(os.uname().machine)
PUT = "writing a program's memory"
COPY = "copying a program's descriptor"
REFUSED = "Operation not permitted (a container needs --cap-add SYS_PTRACE)"

MISSING = pytest.mark.parametrize(
    ("calls", "said"),
    [
        (["438 EPERM"], f"{COPY}: pidfd_getfd(2): {REFUSED}"),
        (["438 ENOSYS"], f"{COPY}: pidfd_getfd(2): Function not implemented"),
        (["434 EPERM"], f"{COPY}: pidfd_open(2): {REFUSED}"),
        ([f"{WRITE} ENOSYS"], f"{PUT}: process_vm_writev(2): Function not implemented"),
        ([f"{KCMP} EPERM"], f"comparing descriptors: kcmp(2): {REFUSED}"),
        ([f"{SECCOMP} EINVAL"], "seccomp: the kernel has no seccomp user notification"),
        ([f"{SECCOMP} ENOSYS"], "seccomp: the kernel has no seccomp"),
        (
            ["438 EPERM", f"{SECCOMP} EPERM"],
            f"seccomp: Operation not permitted; {COPY}: pidfd_getfd(2): {REFUSED}",
        ),
    ],
)


def without(calls: list[str]) -> list[str]:
    return [word for call in calls for word in (*REFUSE, *call.split())]


@MISSING
@pytest.mark.parametrize("words", [["--check"], ["--", "touch", "ran"]])
@pytest.mark.usefixtures("_supervisor")
def test_all_that_is_missing_is_named(
    tmp_path: Path, calls: list[str], said: str, words: list[str]
) -> None:
    line = [*without(calls), *COMMAND, *words]
    done = subprocess.run(
        line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", f"goldlock faults: {said}\n")
    assert done.returncode == launcher.UNAVAILABLE
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("_supervisor")
def test_cases_that_need_it_are_not_run(suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", "# needs: faults\necho no", golden="no\n")
    suite.case("2", "# needs: lock-files\necho no", golden="no\n")
    suite.case("3", "echo yes", golden="yes\n")
    done = run(suite.root, tmp_path / "scratch", without(["438 EPERM"]))
    assert f"{COPY}: pidfd_getfd(2): {REFUSED}" in done.stdout
    assert "3 cases: 1 passed, 2 not run" in done.stdout
