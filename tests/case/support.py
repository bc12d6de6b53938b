# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of cases share: directories of a case, and scripts that run as a runner's do."""

import subprocess
import sys
from pathlib import Path

from goldlock.case.case import Case
from goldlock.environment import Environment

from tests.conftest import ROOT


def make_environment(folder: Path, **variables: str) -> Environment:
    """Make the directories of a case in *folder*; return what a case there is told."""
    for name in ("test", "sock"):
        (folder / name).mkdir(exist_ok=True)
    directories = {"test_dir": str(folder / "test"), "sock_dir": str(folder / "sock")}
    log = str(folder / "log")
    return Environment(goldlock_case="1", **directories, goldlock_log=log, **variables)


def make_case(folder: Path, **variables: str) -> Case:
    """Make a case without a kit, whose directories are in *folder*."""
    return Case(make_environment(folder, **variables))


def run_script(
    folder: Path, text: str, kit: str = "", **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script with a function called main as a runner does."""
    script = folder / "1.py"
    script.write_text(f"from goldlock import Case, run\n{text}\nrun(main)\n")
    environment = make_environment(folder, **variables)
    environ = {**environment.to_environ(), "PYTHONPATH": str(ROOT / ".import")}
    return subprocess.run(
        [sys.executable, str(script)],
        env={**environ, "GOLDLOCK_KIT": kit, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
