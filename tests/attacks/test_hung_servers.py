# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system whose server does not answer: who asks it cannot be killed before the server."""

import re
from pathlib import Path

import pytest

from tests.attacks.places import NAMESPACES, has_namespaces, run
from tests.conftest import ROOT, MakeSuite
from tests.hung_fuse import need_fuse

CASE = f"""#!/usr/bin/env python3
# timeout: 30
import fcntl, os, subprocess, sys

os.mkdir("mnt")
subprocess.run([sys.executable, {str(ROOT / "tests" / "hung_fuse.py")!r}, "mnt", "--daemon"])
file = os.open("mnt/f", os.O_RDWR)
fcntl.flock(file, fcntl.LOCK_EX)
os.stat("mnt/hang")
"""


def test_a_case_waits_for_its_own_server(suite: MakeSuite, tmp_path: Path) -> None:
    """Its time limit holds, it is told what it has locked, and nothing is left."""
    if not has_namespaces():
        pytest.skip("needs the right to mount in a namespace")
    need_fuse()
    suite.case("1.py", CASE, golden="")
    suite.case("2", "echo two", golden="two\n")
    done = run(suite.root, tmp_path / "scratch", NAMESPACES)
    assert done.returncode == 1, done.stdout
    assert "time limit: the case was still running after 30 s" in done.stdout
    assert re.search(
        r"  mnt/f: all bytes, exclusive \(flock\): 1\.py \(pid \d+, holder\)$", done.stdout, re.M
    )
    assert "goes on" not in done.stdout
    assert "cannot be killed" not in done.stdout
    assert "::2 PASSED" in done.stdout
