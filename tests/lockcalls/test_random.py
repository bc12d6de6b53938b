# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs by chance, alone and under a supervisor: the same results, and a true trace.

GOLDLOCK_RANDOM_LOCKS=1-10000 tries as many; by default it is a few.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.lockcalls.support import Run, by_chance

NUMBERS = os.environ.get("GOLDLOCK_RANDOM_LOCKS", "1-100").split("-")
PROGRAM = by_chance("random_locks", *NUMBERS)
NO_CALLS = ("open", "close", "dup", "seek")


def test_programs_by_chance(
    supervised: Run, tmp_path: Path, traced: Callable[[], list[str]]
) -> None:
    bare = subprocess.run(PROGRAM, cwd=tmp_path, capture_output=True, text=True, check=True)
    done = supervised(PROGRAM, cwd=tmp_path, timeout=3600)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said == bare.stdout.splitlines()
    steps = [line.split(" ", 2)[2] for line in said if re.match(r"\d+ \d ", line)]
    results = [step.rpartition(": ")[2] for step in steps if not step.startswith(NO_CALLS)]
    assert len(results) > 5 * (int(NUMBERS[1]) - int(NUMBERS[0]))
    trace = [line.rpartition(": ")[2] for line in traced()]
    assert [re.sub(r"( \(held)? by .*", "", told) for told in trace] == results
    refusals = [told for told in trace if told.startswith(("held", "EAGAIN"))]
    assert refusals
    assert all("by random_locks" in told for told in refusals)
