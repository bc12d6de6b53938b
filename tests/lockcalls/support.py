# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of goldlock.lockcalls share besides fixtures."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOCKER = [sys.executable, "-I", "-S", str(Path(__file__).with_name("locker.py"))]

FAULTS = f"{sys.executable} -I -S {ROOT}/.import/goldlock/lockcalls/__main__.py"
"""The command, as a shell has it."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def by_chance(kind: str, *numbers: str) -> list[str]:
    """Return the command line of programs by chance, which write no file but their own."""
    program = [sys.executable, "-SB", "-m", f"tests.lockcalls.{kind}", *numbers]
    return ["env", f"PYTHONPATH={ROOT}", *program]


def watch(pid: int) -> int:
    """Return a descriptor that gone() waits for."""
    return os.pidfd_open(pid)


def gone(pidfd: int) -> None:
    """Wait until a process, of anybody, has ended."""
    assert select.select([pidfd], [], [], 60)[0], "still there"
    os.close(pidfd)


def need(*programs: str) -> None:
    """Skip the test unless these programs are installed."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
