# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases that have the clean-up meet something else than what was made."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from goldlock.runner.removal import identity, remove_tree
from goldlock.runner.scratch import Scratch

from tests.conftest import ROOT, MakeSuite, RunTests, run_to_end

APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What has mounts and processes go with the command that it starts."""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder of somebody else's, with files by names that the runner uses."""
    folder = tmp_path / "foreign"
    for name in ("output", "log", "test/precious", "home/x", "s/x", "1/test/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    return folder


def all_below(folder: Path) -> list[tuple[str, str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted((str(path), path.read_text()) for path in files)


@pytest.fixture
def run_apart(tmp_path: Path) -> RunTests:
    """Start run_tests.py where what cases mount is seen by nobody else."""
    probe = [*APART, "mount", "-t", "tmpfs", "goldlock", str(tmp_path)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount in a namespace")

    def start(*options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        line = [*APART, sys.executable, str(ROOT / "run_tests.py"), *options]
        places = {"TEST_DIR": str(tmp_path / "scratch"), **variables}
        return run_to_end(line, timeout=120, **places)

    return start


LINKS = {
    "the upper directory": "cd /; mv {top} {top}.away; ln -s {foreign} {top}",
    "the test directory": "cd /; mv {top}/test {top}/away; ln -s {foreign}/test {top}/test",
    "an empty one": "cd /; rmdir {top}/home; ln -s {empty} {top}/home",
    "the output": "rm {top}/output; ln -s {foreign}/output {top}/output",
    "files in it": "ln -s {foreign} link; ln {foreign}/output hard; ln -s {foreign}/log {top}/log",
    "a folder moved there": "cd /; rm -r {top}; mkdir {top} {top}/output {top}/output/x",
    "nothing": "cd /; rm -r {top}",
}


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
@pytest.mark.parametrize("attack", LINKS)
def test_what_a_link_leads_to_stays(  # noqa: PLR0917 - fixtures
    run_tests: RunTests, suite: MakeSuite, foreign: Path, tmp_path: Path, attack: str, jobs: str
) -> None:
    """Nor does the next case get the link."""
    empty = tmp_path / "empty"
    empty.mkdir()
    script = LINKS[attack].format(top="$(dirname $TEST_DIR)", foreign=foreign, empty=empty)
    suite.case("1", f"echo one; top=$(dirname $TEST_DIR); {script}", golden="one\n")
    look = 'find "$TEST_DIR" "$HOME" "$SOCK_DIR" ! -type d; cd "$HOME"'
    for number in "23":
        suite.case(number, f"{look}; pwd -P | grep -v {tmp_path}/sc; true", golden="")
    before = all_below(foreign)
    done = run_tests("--suite", str(suite.root), jobs)
    assert all_below(foreign) == before, done.stdout
    assert empty.exists()
    assert "::2 PASSED" in done.stdout
    assert "::3 PASSED" in done.stdout
    assert ("something else in the place of" in done.stdout) == (
        attack in {"the upper directory", "a folder moved there"}
    )
    assert "Traceback" not in done.stdout


MOUNTS = {
    "on the upper directory": "cd /; mount --bind {foreign} {top}",
    "on the scratch directory": "cd /; mount --bind {foreign} $(dirname {top})",
    "above the scratch directory": "cd /; mount --bind {foreign} $(dirname $(dirname {top}))",
    "on the test directory": "cd /; mount --bind {foreign} {top}/test",
    "twice": "cd /; mount --bind {foreign} {top}; mount --bind {foreign} {top}",
    "below": "mkdir a; mount --bind {foreign} a",
    "on a file": "touch a; mount --bind {foreign}/output a",
}


@pytest.mark.parametrize("attack", MOUNTS)
def test_what_is_mounted_over_a_directory_stays(
    run_apart: RunTests, suite: MakeSuite, foreign: Path, attack: str
) -> None:
    script = MOUNTS[attack].format(top="$top", foreign=foreign)
    suite.case("1", f"echo one; top=$(dirname $TEST_DIR); {script}", golden="one\n")
    suite.case("2", "echo two", golden="two\n")
    before = all_below(foreign)
    done = run_apart("--suite", str(suite.root), "-j1")
    assert all_below(foreign) == before, done.stdout
    assert {path.name for path in foreign.iterdir()} == {"output", "log", "test", "home", "s", "1"}
    assert done.returncode != 0
    assert "mounted on" in done.stdout or "something else stands in its place" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_cannot_be_removed_is_told_and_fails_the_case(
    run_apart: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    (tmp_path / "probe").touch()
    if subprocess.run(["chattr", "+i", tmp_path / "probe"], check=False).returncode:
        pytest.skip("this file system has no immutable files")
    subprocess.run(["chattr", "-i", tmp_path / "probe"], check=True)
    suite.case("1", "echo one; mkdir a; touch a/b; chattr +i a/b", golden="one\n")
    done = run_apart("--suite", str(suite.root))
    subprocess.run(["chattr", "-R", "-i", tmp_path / "scratch"], check=True)
    assert "/1/test/a/b: Operation not permitted" in done.stdout
    assert "1 failed" in done.stdout


MODES = "mkdir -p a/b c; touch a/b/x c/y; mkdir c/z; chmod 555 a/b; chmod 0 c; chmod 555 a; "


def test_read_only_directories_are_removed_as_an_ordinary_user() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for root only
        tree = Path(folder) / "tree"
        Path(folder).chmod(0o777)
        pid = os.fork()
        if pid == 0:
            if not os.geteuid():
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            script = f"mkdir {tree}; cd {tree}; {MODES} chmod 500 ."
            made = subprocess.run(["sh", "-c", script], check=False)
            os._exit(made.returncode or len(remove_tree(tree)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert not tree.exists()


def test_another_directory_of_that_name_stays(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    was = identity(made)
    made.rename(tmp_path / "away")
    made.mkdir()
    (made / "x").touch()
    assert remove_tree(made, was) == [
        f"{made}: something else stands in the place of this directory"
    ]
    assert (made / "x").exists()
    assert remove_tree(made) == []
    assert not made.exists()
    assert remove_tree(made) == []


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_directories_that_a_case_has_not_touched_are_the_next_ones(mask: int) -> None:
    """With any umask; not those that it has given another mode."""
    before = os.umask(mask)
    try:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a short path
            scratch = Scratch({"TEST_DIR": folder})
            first = scratch.directories("1")
            assert scratch.done(first, keep=False) == []
            assert first.top.exists()
            second = scratch.directories("2")
            assert identity(second.top) == first.made[0]
            second.test.chmod(0o711)
            assert scratch.done(second, keep=False) == []
            assert not second.top.exists()
            assert scratch.close() == []
    finally:
        os.umask(before)
