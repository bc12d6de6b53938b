# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case leaves, or changes, where it has no business."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.places import has_namespaces, run
from tests.conftest import MakeSuite, RunTests

IN_PLACE = "printf 'xne\\n' | dd of={golden} conv=notrunc status=none"
OLD_TIME = "touch -r mark {golden}"
REWRITES = {
    "in place": IN_PLACE,
    "in place, with its old time": f"touch -r {{golden}} mark; {IN_PLACE}; {OLD_TIME}",
    "by another file": "cp -p {golden} new; echo xne >new; touch -r {golden} new; mv new {golden}",
    "back again": f"{IN_PLACE}; printf 'one\\n' | dd of={{golden}} conv=notrunc status=none",
}


@pytest.mark.parametrize("how", REWRITES)
def test_a_golden_is_rewritten_by_its_case(run_tests: RunTests, suite: MakeSuite, how: str) -> None:
    """Promised: the case fails, and is named, also where size and time are as before."""
    golden = suite.root / "expected" / "1.out"
    suite.case("1", f"echo one; {REWRITES[how].format(golden=golden)}", golden="one\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 1, done.stdout
    assert f"{golden} was changed while the case ran" in done.stdout


HARMLESS = {"its mode": "chmod 600", "a link": "ln {golden} hard #", "it is read": "cat"}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_golden_is_touched_otherwise(run_tests: RunTests, suite: MakeSuite, what: str) -> None:
    """Promised: what does not change a golden fails nothing: a backup, another mode."""
    golden = suite.root / "expected" / "1.out"
    command = HARMLESS[what].format(golden=golden)
    suite.case("1", f"echo one; {command} {golden} >/dev/null", golden="one\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["999", "999.sh", "0"])
def test_a_case_drops_a_case_in(run_tests: RunTests, suite: MakeSuite, name: str) -> None:
    """Promised: it is named, and not run."""
    dropped = suite.root / "cases" / name
    suite.case("1", f"echo one; echo 'echo dropped' >{dropped}; chmod +x {dropped}", golden="one\n")
    done = run_tests("--suite", str(suite.root))
    assert f"{dropped}: not there before; left by case 1" in done.stdout
    assert "1 case: 1 passed" in done.stdout


FOREIGN = (
    "npm-123abc",
    "go-build4567",
    "pip-unpack-xyz",
    "ccAbCdEf.s",
    "tmp.Xyz",
    "systemd-private-1",
)


def test_files_of_others_are_put_down_to_no_case(suite: MakeSuite, tmp_path: Path) -> None:
    """Promised: what other programs have in /tmp is named with no case."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for fifo in ("started", "go"):
        os.mkfifo(tmp_path / fifo)
    wait = f"echo >{tmp_path}/started; read -r line <{tmp_path}/go; echo a"
    suite.case("1", wait, golden="a\n")
    script = f"read -r line <{tmp_path}/started; cd {temporary}; touch {' '.join(FOREIGN)}"
    with subprocess.Popen(["sh", "-c", f"{script}; echo >{tmp_path}/go"]) as other:
        done = run(suite.root, tmp_path / "scratch", ["env", f"TMPDIR={temporary}"])
    assert other.returncode == 0
    assert done.returncode == 0, done.stdout
    assert "left by" not in done.stdout


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_outside_of_its_directory_is_named(
    suite: MakeSuite, tmp_path: Path, kind: str
) -> None:
    """Promised: it is named with the case whose script mounts; what is not ours stays mounted."""
    if not has_namespaces():
        pytest.skip("needs the right to mount in a namespace")
    point = tmp_path / "outside"
    point.mkdir()
    mount = "mount -t tmpfs t" if kind == "tmpfs" else f"mount --bind {tmp_path}"
    suite.case("1", f"echo one; {mount} {point}", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    look = f'"$@"; status=$?; mountpoint -q {point} || echo gone; exit $status'
    done = run(suite.root, tmp_path / "scratch", ["sh", "-c", look, "sh"])
    assert f"{point} (" in done.stdout
    assert "mounted): not there before; left by case 1, whose script names it?" in done.stdout
    assert "gone" not in done.stdout
    assert "2 cases: 2 passed" in done.stdout


@pytest.mark.parametrize("plan", ["", "  ", "# nothing", "\n\n", "@{empty}"])
def test_an_empty_plan(tmp_path: Path, plan: str) -> None:
    """Promised: a plan that has no fault is a wrong use, and no run without faults."""
    (tmp_path / "empty").touch()
    words = ["faults", plan.format(empty=tmp_path / "empty"), "--", "echo", "ran"]
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.endswith(": no fault in this plan\n")
