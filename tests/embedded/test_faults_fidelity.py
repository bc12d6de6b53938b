# SPDX-License-Identifier: GPL-2.0-or-later
"""With an errno injected into any lock call, ours show and do what the real programs do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls.api import parse_plan, wrap

from tests.embedded.conftest import make_images
from tests.embedded.fault_runs import OPENERS
from tests.embedded.programs import ROOT, Holder, command, environment

pytestmark = [
    pytest.mark.real,
    pytest.mark.usefixtures("_supervisor"),
]

# Faults that end otherwise, and why they may.
KNOWN = {
    "test any byte fails with EINTR 3 times": "QEMU reports EINTR of a test; ours asks again",
}


@pytest.mark.parametrize("opener", OPENERS)
def test_a_fault_in_a_lock_call_ends_as_in_the_real_program(
    opener: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    running = {}
    for kind in ("real", "ours"):
        folder = tmp_path / kind
        folder.mkdir()
        make_images(folder)
        words = [sys.executable, "-m", "tests.embedded.fault_runs", kind, opener]
        running[kind] = subprocess.Popen(
            wrap(words, trace=folder / "trace"), cwd=folder, stdout=subprocess.PIPE,
            env={**os.environ, "GOLDLOCK_KIT": "qemu", "PYTHONPATH": f"{ROOT}:{ROOT}/.import"},
        )  # fmt: skip
    found = {kind: json.loads(process.communicate()[0]) for kind, process in running.items()}
    assert list(found["ours"]) == list(found["real"])
    differ = {plan for plan, shown in found["real"].items() if found["ours"][plan] != shown}
    assert differ == KNOWN.keys() & found["real"].keys()
    record_property("faults", len(found["real"]) - len(differ) - 1)


@pytest.mark.parametrize("holder", ["real", "ours"])
def test_a_posix_lock_meets_that_of_a_holder(holder: str, images: Path) -> None:
    held = Holder(holder, "-drive", "if=none,file=t", cwd=images)
    shown = {}
    for kind in ("real", "ours"):
        words = [*command("qemu-io", kind), *OPENERS["locking on"][1:]]
        shown[kind] = subprocess.run(
            wrap(words, parse_plan("probe fails with EINVAL")), cwd=images, env=environment(),
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    assert held.quit() == 0
    assert b"falling back to POSIX" in shown["ours"].stderr
    assert b'Failed to get "write" lock' in shown["ours"].stderr
    assert shown["ours"].stderr == shown["real"].stderr
    assert shown["ours"].returncode == shown["real"].returncode == 1
