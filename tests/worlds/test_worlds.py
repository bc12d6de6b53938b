# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites for other programs than QEMU pass, each case of each, with the programs of Debian."""

import tomllib
from pathlib import Path

import pytest

from tests.conftest import RunTests

HERE = Path(__file__).resolve().parent
WORLDS = sorted(path.parent.name for path in HERE.glob("*/suite.toml"))


@pytest.mark.parametrize("world", WORLDS)
def test_a_world(run_tests: RunTests, world: str) -> None:
    programs = tomllib.loads((HERE / world / "suite.toml").read_text())["programs"]
    cases = sorted(HERE.glob(f"{world}/expected/*.out"))
    done = run_tests("--suite", str(HERE / world), "--require", ",".join([*programs, "faults"]))
    assert done.returncode == 0, done.stdout
    assert f"{len(cases)} cases: {len(cases)} passed; " in done.stdout
