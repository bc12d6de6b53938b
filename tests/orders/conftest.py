# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of goldlock.orders share."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, quiet_environment
from tests.lockcalls.support import LOCKER

Orders = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def orders() -> Orders:
    """Return a function that runs the command with arguments."""

    def run(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-P", "-m", "goldlock", "orders", *arguments],
            cwd=cwd,
            env={**quiet_environment(), "PYTHONPATH": str(ROOT / ".import")},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def outcomes(text: str) -> list[str]:
    return [part.partition("\n")[2] for part in re.split(r"^outcome ", text, flags=re.M)[1:]]


EITHER_OR_BOTH = [
    ["A: exit status 0", "B: exit status 0"],
    ["A: exit status 0", "B: exit status 1"],
    ["A: exit status 1", "B: exit status 0"],
]


def ends(text: str) -> list[list[str]]:
    """Return how the programs A and B ended, in each outcome."""
    return sorted(re.findall(r"[AB]: exit status \d", each) for each in outcomes(text))


def locker(*steps: str) -> str:
    return " ".join([*LOCKER, "f", *steps])
