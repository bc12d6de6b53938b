# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots made, applied and deleted by ours and by the real programs, in turn on one image."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.embedded.programs import Outcome, run

pytestmark = pytest.mark.real

_NAME = st.sampled_from(["a", "b", "1"])
_AT = st.integers(0, 4000)
_STEPS = st.lists(
    st.tuples(st.sampled_from(["-c", "-c", "-a", "-d"]), _NAME)
    | st.tuples(st.sampled_from(["write -P 7", "write -P 8", "write -z", "discard"]), _AT)
    | st.tuples(st.sampled_from(["resize"]), st.sampled_from(["3M", "4M", "5M"])),
    min_size=4,
    max_size=12,
)


def _step(kind: str, image: str, action: str, what: object, folder: Path) -> Outcome:
    if action == "resize":
        return run("qemu-img", kind, "resize", "-q", "--shrink", image, str(what), cwd=folder)
    if action.startswith("-"):
        return run("qemu-img", kind, "snapshot", action, str(what), image, cwd=folder)
    return run("qemu-io", kind, "-c", f"{action} {what}k 90k", image, cwd=folder)


def _sound(image: str, folder: Path) -> None:
    for checker in ("real", "ours"):
        outcome = run("qemu-img", checker, "check", image, cwd=folder)
        assert outcome.status == 0, outcome


@pytest.mark.parametrize("layout", ["cluster_size=512", "cluster_size=64k", "compat=0.10"])
@settings(max_examples=6, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(steps=_STEPS, first=st.booleans())
def test_snapshots_of_both_kinds_live_in_one_image(
    layout: str, steps: list[tuple[str, object]], first: bool
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        for image in ("theirs", "mixed"):
            words = ("create", "-q", "-f", "qcow2", "-o", layout, image, "4M")
            assert run("qemu-img", "real", *words, cwd=folder).status == 0
        for number, (action, what) in enumerate(steps):
            kind = "ours" if number % 2 == first else "real"
            theirs = _step("real", "theirs", action, what, folder)
            mixed = _step(kind, "mixed", action, what, folder)
            assert (mixed.status, mixed.stderr) == (theirs.status, theirs.stderr)
            if kind == "ours":
                _sound("mixed", folder)
        for name in ("", "a", "b", "1"):
            if name and _step("real", "theirs", "-a", name, folder).status == 0:
                assert _step("ours", "mixed", "-a", name, folder).status == 0
            outcome = run("qemu-img", "real", "compare", "theirs", "mixed", cwd=folder)
            assert outcome.status == 0, outcome
        _sound("mixed", folder)
    finally:
        shutil.rmtree(folder)


def test_counts_too_narrow_for_a_snapshot_leave_the_image_as_it_was(tmp_path: Path) -> None:
    words = ("create", "-q", "-f", "qcow2", "-o", "refcount_bits=1", "t", "1M")
    assert run("qemu-img", "ours", *words, cwd=tmp_path).status == 0
    assert run("qemu-io", "ours", "-c", "write 0 64k", "t", cwd=tmp_path).status == 0
    before = (tmp_path / "t").read_bytes()
    outcome = run("qemu-img", "ours", "snapshot", "-c", "a", "t", cwd=tmp_path)
    assert outcome.status == 1
    shown = run("qemu-img", "real", "snapshot", "-c", "a", "t", cwd=tmp_path)
    assert (tmp_path / "t").read_bytes() == before or shown.status == 1
    assert outcome.stderr == shown.stderr
