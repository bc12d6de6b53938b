# SPDX-License-Identifier: GPL-2.0-or-later
"""Leases: no program that everybody has takes them on its own, so one of Python's does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lockcalls.support import Run, need

LEASES = [sys.executable, "-I", "-S", str(Path(__file__).with_name("leases.py"))]


def test_same_as_alone(supervised: Run, image: Path, traced: Callable[[], list[str]]) -> None:
    """The results are the same, and whom the kernel tells when another opens the file."""
    bare = subprocess.run(
        [*LEASES, image], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    done = supervised([*LEASES, str(image)])
    assert (done.stdout, done.stderr) == (bare, "")
    assert "told: another opens it\n" in bare
    said = [line.partition(",")[0].split(": ")[1] for line in bare.splitlines() if ", has " in line]
    told = [line.rpartition(": ")[2] for line in traced()]
    assert [result.partition(" (")[0] for result in told] == said
    assert said.count("ok") > 4


def test_strace_says_the_same(
    supervised: Run, image: Path, traced: Callable[[], list[str]]
) -> None:
    need("strace")
    log = image.with_name("strace")
    line = ["strace", "-f", "-o", str(log), "-e", "trace=fcntl", *LEASES, str(image)]
    subprocess.run(line, capture_output=True, check=True, timeout=30)
    supervised([*LEASES, str(image)])
    calls = [line for line in log.read_text().splitlines() if "F_SETLEASE" in line]
    assert len(calls) > 7
    results = [line.rpartition(" = ")[2].split() for line in calls]
    assert [line.rpartition(": ")[2].partition(" (")[0] for line in traced()] == [
        words[1] if words[0] == "-1" else "ok" for words in results
    ]


def test_lines_and_a_plan(supervised: Run, image: Path, traced: Callable[[], list[str]]) -> None:
    plan = f"lease {image} by leases.py fails with ENOLCK from call 2 once"
    done = supervised([*LEASES, str(image)], plan)
    assert done.stdout.splitlines()[3] == "write: ENOLCK, has unlock, owner none"
    assert traced()[:6] == [
        "leases.py: lease unlock of TEST_DIR/t.raw: EAGAIN",
        "leases.py: lease of TEST_DIR/t.raw, read: ok",
        "leases.py: lease unlock of TEST_DIR/t.raw: ok",
        "leases.py: lease of TEST_DIR/t.raw, write: ENOLCK (injected)",
        "leases.py: lease unlock of TEST_DIR/t.raw: EAGAIN",
        "leases.py: lease of TEST_DIR/t.raw, write: EAGAIN (open in leases.py)",
    ]
