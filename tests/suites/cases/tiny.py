# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a tiny suite as a person would, and show the report, filtered."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from goldlock import Case
from goldlock.filters import Filter

SUITES = Path(__file__).resolve().parent.parent / "tiny"
RUN_TESTS = Path(__file__).resolve().parents[3] / "run_tests.py"
TOOLS = ("sh", "cat", "head", "kill", "mkfifo", "printf", "setsid", "sleep", "yes", "env", "git")


def copy(case: Case, name: str) -> Path:
    """Copy a tiny suite to where it may be changed."""
    return Path(shutil.copytree(SUITES / name, Path(case.test_dir) / name))


def run(
    case: Case, suite: Path, *options: str, also: Filter | None = None, **variables: str
) -> None:
    """Run a suite with no QEMU on PATH, and none embedded; show what that prints."""
    system = ["--programs", "system"] if (suite / "suite.toml").exists() else []
    done = subprocess.run(
        [sys.executable, str(RUN_TESTS), "--suite", str(suite), *system, *options],
        env={**_environment(case), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    case.log(done.stdout, case.paths, report, *([also] if also else []))
    case.log(f"[exit status {done.returncode}]")


def _environment(case: Case) -> dict[str, str]:
    """Return what this case was told, without the programs under test."""
    tools = Path(case.test_dir) / "tools"
    if not tools.exists():
        tools.mkdir()
        for tool in TOOLS:
            if found := shutil.which(tool):
                (tools / tool).symlink_to(found)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QEMU_")}
    return {**kept, "PATH": str(tools), "COLUMNS": "100", "GIT_CEILING_DIRECTORIES": case.test_dir}


def report(text: str) -> str:
    """Blank out what differs from run to run."""
    patterns: Sequence[tuple[str, str]] = (
        (r"goldlock-[0-9]{13}", "goldlock-XXXXXXXX"),
        (r"pid \d+", "pid PID"),
        (r"after \d+\.\d s", "after N s"),
        (r"^slowest: .*\n", ""),
        (r" +\[ *\d+%\]$", ""),
        (r"^((?:=+ )?(?:\d+ [a-z ]+, )*\d+ [a-z ]+ in) [\d.]+s(?: \([\d:]+\))?", r"\1 N s"),
        (r"^=+( .+ )=+$", r"===\1==="),
        (r"^_+( .+ )_+$", r"___\1___"),
        (r"^platform .*\n|^rootdir: .*\n|^plugins: .*\n", ""),
    )
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text
