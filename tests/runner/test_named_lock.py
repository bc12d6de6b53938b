# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of one name never run side by side, whoever runs them."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment


class Runs:
    """Two runs of one suite, the first of which has a case that goes on when it is told to."""

    def __init__(self, suite: MakeSuite, folder: Path) -> None:
        self._suite, self._folder = suite.root, folder
        self._go = folder / "go"
        for fifo in (self._go, folder / "ready"):
            os.mkfifo(fifo)
        suite.case(
            "1",
            f"""#!/bin/sh
            # exclusive: the disk/1
            cd {folder}
            mkdir disk || echo not alone
            if mkdir .first 2>/dev/null; then echo now >ready; read -r line <go; fi
            rmdir disk
            """.replace(" " * 12, ""),
            golden="",
        )
        self.first = self._start()
        (folder / "ready").read_text()
        self.second = self._start()
        assert self.second.stdout
        for line in self.second.stdout:  # its case has been started, or waits
            if line.startswith("collect"):
                break

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(self._suite)],
            env={
                **quiet_environment(),
                "TEST_DIR": str(self._folder / "scratch"),
                "TMPDIR": str(self._folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def go_on(self) -> None:
        """Let the first run's case end."""
        self._go.write_text("go\n")
        said, _ = self.first.communicate()
        assert self.first.returncode == 0, said


@pytest.fixture
def runs(suite: MakeSuite, tmp_path: Path) -> Iterator[Runs]:
    """Two runs of an exclusive case."""
    made = Runs(suite, tmp_path)
    yield made
    for run in (made.first, made.second):  # they have ended, unless the test has failed
        run.kill()
        run.wait()


def test_a_case_of_another_run_is_waited_for(runs: Runs) -> None:
    runs.go_on()
    said, _ = runs.second.communicate()
    assert runs.second.returncode == 0, said


def test_who_waits_can_be_interrupted(runs: Runs, tmp_path: Path) -> None:
    runs.second.send_signal(signal.SIGINT)
    said, _ = runs.second.communicate()
    assert runs.second.returncode == 130, said
    assert "not finished: 1 interrupted" in said
    assert len([*(tmp_path / "scratch").glob("goldlock-*")]) == 1  # that of the first
    runs.go_on()


def test_what_a_worker_leaves_that_is_killed_does_not_meet_the_next(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    header = f"#!/bin/sh\n# exclusive: disk\nexec 9>{tmp_path}/disk; flock --nonblock 9 || echo met"
    suite.case("1", f"{header}\nkill -9 $PPID; exec sleep 1000", golden="")
    suite.case("2", header, golden="")
    done = run_tests("--suite", str(suite.root), "-j2", TMPDIR=str(tmp_path))
    assert "::2 PASSED" in done.stdout, done.stdout


@pytest.mark.parametrize("other", ["a file", "a link", "another's"])
def test_a_folder_for_locks_that_is_not_ours(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, other: str
) -> None:
    """Anybody may make one in /tmp."""
    folder, precious = tmp_path / f"goldlock.{os.getuid()}", tmp_path / "precious"
    precious.mkdir()
    if other == "a file":
        folder.touch()
    elif other == "a link":
        folder.symlink_to(precious)
    else:
        folder.mkdir()
        try:
            os.chown(folder, 1234, 1234)
        except PermissionError:
            pytest.skip("only the superuser can make what is another user's")
    suite.case("1", "#!/bin/sh\n# exclusive: disk\n", golden="")
    done = run_tests("--suite", str(suite.root), TMPDIR=str(tmp_path))
    assert done.returncode != 0
    assert f"{folder}: " in done.stdout
    assert f"'exclusive: disk' needs it, TMPDIR can name another place than {tmp_path}" in (
        done.stdout
    )
    assert [*precious.iterdir()] == []
    assert "Traceback" not in done.stdout


def test_the_locks_are_for_their_user_only(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "#!/bin/sh\n# exclusive: ../../disk\n", golden="")
    assert run_tests("--suite", str(suite.root), TMPDIR=str(tmp_path)).returncode == 0
    folder = tmp_path / f"goldlock.{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [each.name for each in folder.iterdir()] == [".._.._disk.lock"]
