# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that runs the suite on the QEMU of other releases; nothing is downloaded here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.suite.programs import Programs

from tests.conftest import ROOT, quiet_environment
from tests.versions.__main__ import PROGRAMS


def versions(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.versions", *words],
        cwd=ROOT,
        env={**quiet_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trixy"], "unknown release 'trixy'; there are: bullseye, bookworm, trixie, forky, sid"),
        (["trixie", "-g", "quick"], "unrecognized arguments: -g quick; for run_tests.py: after --"),
    ],
)
def test_what_cannot_be(words: list[str], said: str, tmp_path: Path) -> None:
    done = versions("--folder", str(tmp_path / "folder"), *words)
    assert done.stderr == f"tests.versions: {said}\n"
    assert done.returncode == 2
    assert not (tmp_path / "folder").exists()


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt")
def test_packages_that_cannot_be_had(tmp_path: Path) -> None:
    """Where nobody answers, apt says so, and that is all."""
    configuration = tmp_path / "apt.conf"
    configuration.write_text('Acquire::http::Proxy "http://127.0.0.1:1";\nAcquire::Retries "0";\n')
    done = versions("--folder", str(tmp_path), "trixie", APT_CONFIG=str(configuration))
    assert done.stderr.startswith("tests.versions: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


def test_a_release_and_this_system_are_compared(qemu: Programs, tmp_path: Path) -> None:
    programs = tmp_path / "sid" / "usr" / "bin"
    programs.mkdir(parents=True)
    for path in qemu.paths.values():
        (programs / Path(path).name).symlink_to(path)
    (tmp_path / "sid" / "installed").write_text(" ".join(PROGRAMS))
    done = versions("--folder", str(tmp_path), "sid", "--", "153", "--", "-k", "153")
    version = str(qemu.facts["version"]).partition(" (")[0]
    own, *table = done.stdout.split("\n\ncase ", 1)[1].split()
    assert own in done.stdout.split("\n")[1]
    assert (
        table
        == (
            f"sid 153 passed passed passed 1 of 1 1 of 1 version {version} {version}"
            " all sections are the same with all builds"
        ).split()
    )
    assert done.returncode == 0
    assert os.fspath(programs) in done.stdout
