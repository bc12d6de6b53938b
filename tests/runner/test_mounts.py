# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case mounts, and forgets to unmount."""

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from goldlock.runner import mounts, removal

from tests.conftest import MakeSuite, RunTests


def mounting_is_allowed(folder: Path) -> bool:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "goldlock", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return False
    return not ctypes.CDLL(None).umount2(os.fsencode(folder), 0)


@pytest.fixture
def can_mount(tmp_path: Path) -> None:
    if not mounting_is_allowed(tmp_path / "try"):
        pytest.skip("needs the right to mount")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a file that no mount of a case's is to cost."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("not the case's")
    return folder


@pytest.mark.usefixtures("can_mount")
@pytest.mark.parametrize("base", ["plain", "with blank\tand \\ more"])
def test_a_forgotten_mount_is_named_and_unmounted(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, outside: Path, base: str
) -> None:
    suite.case(
        "1",
        f"mkdir a 'b c'\nmount -t tmpfs goldlock a\nmount --bind {outside} 'b c'",
        golden="",
    )
    suite.case("2", "echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), TEST_DIR=str(tmp_path / base))
    assert done.returncode == 1
    assert "tmpfs mounted on " in done.stdout
    assert done.stdout.count(" mounted on ") == 2
    assert "/1/test/b c" in done.stdout
    assert "1 passed, 1 failed" in done.stdout
    assert mounts.below(tmp_path) == []
    assert (outside / "precious").read_text() == "not the case's"


@pytest.mark.usefixtures("can_mount")
def test_what_is_mounted_while_others_end_is_unmounted_too(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """1 mounts, then waits for 3, which starts where 2 was cleaned up after."""
    for name in ("mounted", "ended"):
        os.mkfifo(tmp_path / name)
    mount = "mkdir a; mount -t tmpfs goldlock a"
    suite.case("1", f"{mount}; echo >{tmp_path}/mounted; read -r _ <{tmp_path}/ended", golden="")
    suite.case("2", f"read -r _ <{tmp_path}/mounted", golden="")
    suite.case("3", f"echo >{tmp_path}/ended", golden="")
    done = run_tests("--suite", str(suite.root), "-j2")
    assert "2 passed, 1 failed" in done.stdout
    assert "tmpfs mounted on " in done.stdout
    assert "cannot be removed" not in done.stdout
    assert mounts.below(tmp_path) == []


@pytest.mark.usefixtures("can_mount")
def test_a_tree_with_a_mount_in_it_is_not_removed(tmp_path: Path, outside: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    subprocess.run(["mount", "--bind", outside, tree / "a"], check=True)
    try:
        removal.remove_tree(tree)
        assert (tree / "a" / "precious").read_text() == "not the case's"
    finally:
        mounts.clear(tree)
    removal.remove_tree(tree)
    assert not tree.exists()


def test_a_tree_that_is_deeper_than_python_goes_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    deep = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        deeper = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    removal.remove_tree(top)
    assert not top.exists()


def test_a_loop_device_is_named_and_detached(run_tests: RunTests, suite: MakeSuite) -> None:
    if not shutil.which("losetup") or os.geteuid() or not Path("/dev/loop-control").exists():
        pytest.skip("needs the right to attach loop devices")
    attach = 'truncate -s 8M "$TEST_DIR/disk"; losetup -f "$TEST_DIR/disk" && echo attached'
    suite.case("1", attach, golden="attached\n")
    done = run_tests("--suite", str(suite.root))
    assert re.search(r"leaked: /dev/loop\d+, a loop device of .*/test/disk; detached", done.stdout)
    assert "1 failed" in done.stdout
    left = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    assert "/test/disk" not in left
