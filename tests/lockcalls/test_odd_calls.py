# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls with odd arguments: a program sees the answer that it would see without a supervisor."""

import subprocess
from pathlib import Path

import pytest

from tests.lockcalls import i386, odd_calls
from tests.lockcalls.support import Run, by_chance

SMALL = pytest.mark.skipif(not i386.is_there(), reason="no i386 programs run here")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=SMALL if k == "small" else ()) for k in odd_calls.KINDS]
)
def test_the_answer_is_the_kernels(supervised: Run, tmp_path: Path, kind: str) -> None:
    program = by_chance("odd_calls", kind)
    alone, watched = tmp_path / "alone", tmp_path / "watched"
    for folder in (alone, watched):
        folder.mkdir()
    bare = subprocess.run(
        program, cwd=alone, capture_output=True, text=True, check=True, timeout=120
    )
    done = supervised(program, files=True, cwd=watched)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == bare.stdout.splitlines()
    assert len(bare.stdout.splitlines()) > 1
