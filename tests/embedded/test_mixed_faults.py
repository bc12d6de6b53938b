# SPDX-License-Identifier: GPL-2.0-or-later
"""A real program and one of ours fight over an image, with a fault in either.

The goldens are those of the real programs, so what the cases show (verdict, messages, the
bytes that stay locked after each step) is as if all were real.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.kits.qemu.environment import VARIABLES
from goldlock.kits.qemu.probe import ERRNO_POLICY_VARIABLE

from tests.embedded.programs import REAL, ROOT, command

pytestmark = [
    pytest.mark.real,
    pytest.mark.usefixtures("_supervisor"),
]

HOLDERS, CONTENDERS = ("qemu-system",), ("qemu-io", "qemu-img")
CASES = {
    "405": "the holder cannot unlock: at drive_del, a reopen, blockdev-del, a snapshot",
    "406": "the holder cannot lock or test: at blockdev-add, drive_add, a reopen, an export",
    "407": "the holder has no OFD locks",
    "410": "the holder cannot test or unlock; the contender can neither lock, test nor unlock",
}


def ours(folder: Path, program: str) -> str:
    """Make a program of ours that tells no errno of a conflict, as real ones do not."""
    name = "qemu-system-x86_64" if program == "qemu-system" else program
    path = folder / name
    words = shlex.join(command(name, "ours"))
    path.write_text(f'#!/bin/sh\n{ERRNO_POLICY_VARIABLE}=elided exec {words} "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("embedded", [HOLDERS, CONTENDERS], ids=["holder", "contender"])
def test_a_mixed_pair_is_as_a_real_one(embedded: tuple[str, ...], tmp_path: Path) -> None:
    programs = (*HOLDERS, *CONTENDERS)
    real = {p: str(REAL["qemu-system-x86_64" if p in HOLDERS else p]) for p in programs}
    chosen = {**real, **{program: ours(tmp_path, program) for program in embedded}}
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_tests.py"), *CASES],
        env={**os.environ, **{VARIABLES[p]: path for p, path in chosen.items()},
             "TEST_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{len(CASES)} passed" in done.stdout
