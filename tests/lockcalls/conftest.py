# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of goldlock.lockcalls share: an image, a locking program, a supervised run."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls.api import parse_plan, wrap

from tests.lockcalls.support import LOCKER, Run


@pytest.fixture
def _of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have git make the same commits on each machine."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "n")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "e@example.com")
        monkeypatch.setenv(f"GIT_{who}_DATE", "2000-01-01T00:00:00Z")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "t.raw"
    path.write_bytes(bytes(1024))
    return path


@pytest.fixture
def supervised(_supervisor: None, tmp_path: Path) -> Run:
    """Return run(argv, plan="", files=False, **options of subprocess.run): the finished process."""

    def run(
        argv: list[str], plan: str = "", *, files: bool = False, **options: object
    ) -> "subprocess.CompletedProcess[str]":
        line = wrap(argv, parse_plan(plan), tmp_path / "trace", files=files)
        given = {"capture_output": True, "text": True, "timeout": 120, **options}
        return subprocess.run(line, check=False, **given)  # type: ignore[call-overload,no-any-return]

    return run


@pytest.fixture
def locks(supervised: Run, image: Path) -> Callable[..., list[str]]:
    """Return a function of a plan and steps: what the locker printed for its steps on the image."""

    def run(plan: str, *steps: str) -> list[str]:
        done = supervised([*LOCKER, str(image), *steps], plan)
        assert (done.stderr, done.returncode) == ("", 0)
        return done.stdout.splitlines()

    return run


@pytest.fixture
def traced(tmp_path: Path) -> Callable[[], list[str]]:
    """Return a function that gives the lines of the trace, with TEST_DIR for the directory."""

    def read() -> list[str]:
        text = (tmp_path / "trace").read_text()
        return text.replace(str(tmp_path), "TEST_DIR").splitlines()

    return read
