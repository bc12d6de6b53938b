# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of a busy machine."""

import time
from pathlib import Path

import pytest
from goldlock.runner import jobs
from goldlock.runner.jobs import CpuPressure

LINES = "some avg10=0.00 avg60=0.01 avg300=0.24 total={}\nfull avg10=0.00 total=0\n"


def test_the_share_of_the_time_that_was_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    file = tmp_path / "cpu"
    file.write_text(LINES.format(3_000_000))
    gauge = CpuPressure(file)
    assert gauge.waiting() is None  # too soon to tell
    now, _ = 102.0, file.write_text(LINES.format(3_500_000))
    assert gauge.waiting() == pytest.approx(0.25)
    now = 104.0
    assert gauge.waiting() == pytest.approx(0)


@pytest.mark.parametrize("text", [None, "", "some\n", "some total=many\n"])
def test_a_kernel_that_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr(jobs, "_SHORTEST", 0)
    if text is not None:
        (tmp_path / "cpu").write_text(text)
    gauge = CpuPressure(tmp_path / "cpu")
    assert gauge.waiting() is None
    assert gauge.waiting() is None
