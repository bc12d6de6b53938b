# SPDX-License-Identifier: GPL-2.0-or-later
"""``goldlock faults`` by hand, with the words that a suite has for bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, quiet_environment
from tests.lockcalls.support import need

COMMAND = (sys.executable, str(ROOT / "run_tests.py"), "faults")
SQLITE = ("--suite", str(ROOT / "tests" / "worlds" / "sqlite"))
INSERT = "insert into t values (1);"


def faults(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    need("sqlite3")
    subprocess.run(["sqlite3", tmp_path / "t.db", "create table t(x);"], check=True)
    return tmp_path


@pytest.mark.usefixtures("_supervisor")
def test_a_plan_and_a_trace_have_the_words_of_a_suite(database: Path) -> None:
    plan = "lock RESERVED of t.db by sqlite3 fails with EAGAIN"
    done = faults(database, *SQLITE, "--trace=told", plan, "--", "sqlite3", "t.db", INSERT)
    assert "database is locked" in done.stderr
    refused = (
        f"sqlite3: lock 1073741825 (RESERVED) of {database}/t.db, write posix: EAGAIN (injected)"
    )
    assert refused in (database / "told").read_text().splitlines()


@pytest.mark.usefixtures("_supervisor")
def test_in_a_shell_under_it_they_are_known(database: Path) -> None:
    command = " ".join(f"'{word}'" for word in COMMAND)
    script = f"""
key=$({command} --add 'lock RESERVED of t.db is paused')
sqlite3 t.db '{INSERT}' & {command} --await $key
sqlite3 t.db 'select count(*) from t;'
{command} --clear $key; wait
sqlite3 t.db 'select count(*) from t;'
"""
    done = faults(database, *SQLITE, "--", "sh", "-c", script)
    assert (done.stdout, done.stderr) == ("1\n0\n1\n1\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "no"], "no: has no suite.toml, which could name bytes"),
        (["--suite", "n" * 300], "n" * 300 + ": has no suite.toml, which could name bytes"),
        (["--suite"], "--suite: expected a value"),
        (["--suite="], "--suite: expected a value"),
        ([*SQLITE, "lock SHRED fails with EIO"], "plan:1:6: SHRED: expected a byte: "),
        ([*SQLITE, "--loud"], "--loud: no such option"),
    ],
)
def test_usage(tmp_path: Path, words: list[str], said: str) -> None:
    done = faults(tmp_path, *words, "--", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"goldlock faults: {said}")
    assert done.stderr.count("\n") == 1
