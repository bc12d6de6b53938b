# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/attacks.md tells of the attacks that there are."""

import os
import re
import subprocess
import sys
from collections import Counter

from tests.attacks.table import FILE, TESTS, rows
from tests.conftest import ROOT


def test_the_table_is_that_of_the_tests() -> None:
    """Promised: an attack that is new, or gone, is in this file, or this fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *TESTS],
        cwd=ROOT,
        env={**os.environ, "GOLDLOCK_ATTACKS": "all"},
        capture_output=True,
        text=True,
        check=False,
    )
    made = Counter(
        found[1].replace("_", " ")
        for line in done.stdout.splitlines()
        if (found := re.match(r"[\w/.]+::test_(\w+)", line))
    )
    assert made == rows(), "python -m tests.attacks writes it anew"
    assert sum(made.values()) >= 300
    assert f"{sum(made.values())} of {sum(made.values())} held." in FILE.read_text()


def test_ci_makes_each_attack_as_an_ordinary_user_too() -> None:
    """Promised: what root alone is refused, or nobody else, is seen by one of the two."""
    words = (
        (ROOT / ".ci" / "run")
        .read_text()
        .partition("as_user ./run_tests.py --self-test")[2]
        .split()
    )
    chosen = tuple(word for word in words if word.startswith("tests/"))
    assert [each for each in TESTS if not each.startswith(chosen)] == []
