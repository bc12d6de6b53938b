# SPDX-License-Identifier: GPL-2.0-or-later
"""A case that needs OFD locks is not run where the file system has none, and it is named."""

import errno as errnos
import os
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.runner.lock_probe import why_no_ofd_locks

from tests.conftest import ROOT, MakeSuite, quiet_environment


def test_a_file_system_that_takes_them(tmp_path: Path) -> None:
    assert why_no_ofd_locks(tmp_path) == ""
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """It refuses no locks: that there can be no file in it is another trouble."""
    with pytest.raises(FileNotFoundError):
        why_no_ofd_locks(tmp_path / "gone")


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize("errno", ["ENOTSUP", "EIO", "ENOLCK"])
def test_a_file_system_that_refuses_them(suite: MakeSuite, tmp_path: Path, errno: str) -> None:
    """The supervisor lets each lock call of the run itself fail, as such a file system does."""
    suite.case("1", "# needs: ofd-locks\necho a", golden="a\n")
    suite.case("2", "echo a", golden="a\n")
    plan = f"lock any byte fails with {errno}"
    done = subprocess.run(
        [sys.executable, "-m", "goldlock.lockcalls", plan, "--", sys.executable,
         str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={**quiet_environment(), "PYTHONPATH": str(ROOT / ".import"),
             "TEST_DIR": str(tmp_path / "scratch")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"not run: 1: {tmp_path}/scratch (" in done.stdout
    assert f" refuses OFD locks: {os.strerror(getattr(errnos, errno))} ({errno})" in done.stdout
    assert "1 passed, 1 not run" in done.stdout
    assert done.returncode == 0, done.stdout
