# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock as a plugin of pytest: nothing, until a project has suites; then its cases, too."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PLUGIN, ROOT, MakeSuite, plain_pytest, quiet_environment

TEST = "def test_own() -> None:\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a test of its own, and a suite with a case that passes and one that fails."""
    root = tmp_path / "project"
    made = MakeSuite(root / "tests" / "locks")
    made.case("001.sh", "# group: quick\necho one", "one\n")
    made.case("002.sh", "echo two", "three\n")
    (root / "tests" / "test_own.py").write_text(TEST)
    return root


def test_without_a_word_of_the_project_there_is_none_of_ours(project: Path) -> None:
    (project / "list.py").write_text(
        "import sys\ndef pytest_unconfigure():\n"
        "    print([n for n in sys.modules if n.startswith('goldlock.')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGIN, "-p", "list"],
        cwd=project,
        env={**quiet_environment(), "PYTHONPATH": f"{ROOT}/.import:{project}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    loaded = done.stdout.split("[")[-1]
    for room in ("runner", "case", "goldens", "reports", "lockcalls", "pytest_plugin.plugin"):
        assert f"goldlock.{room}" not in loaded
    assert "goldlock: " not in done.stdout


@pytest.mark.parametrize("testpaths", ["", '[tool.pytest.ini_options]\ntestpaths = ["tests/unit"]'])
def test_bare_pytest_runs_tests_and_cases(project: Path, any_python: str, testpaths: str) -> None:
    if testpaths:
        (project / "tests" / "unit").mkdir()
        (project / "tests" / "test_own.py").rename(project / "tests" / "unit" / "test_own.py")
    done = plain_pytest(project, "-v", suites="tests/locks", python=any_python, more=testpaths)
    assert done.returncode == 1
    assert "test_own.py::test_own PASSED" in done.stdout
    assert "tests/locks/cases/001.sh::001 PASSED (1 section, 001.out)" in done.stdout
    assert "tests/locks/cases/002.sh::002 FAILED (1 of 1 section, 002.out)" in done.stdout
    assert "2 cases: 1 passed, 1 failed" in done.stdout


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (["tests/locks/cases/001.sh"], ["001"]),
        (["tests/locks/cases/001.sh::001"], ["001"]),
        (["-k", "quick"], ["001"]),
        (["tests/locks"], ["001", "002"]),
        (["tests/test_own.py"], []),
    ],
)
def test_cases_are_named_as_tests_are(project: Path, words: list[str], ran: list[str]) -> None:
    done = plain_pytest(project, "-v", *words, suites="tests/locks")
    judged = [n for n in ("001", "002") if f"cases/{n}.sh::{n} " in done.stdout]
    assert judged == ran
    assert ("cases:" in done.stdout or "case:" in done.stdout) == bool(ran)


def test_the_ini_setting_will_do(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\ngoldlock_suites = tests/locks\n")
    done = plain_pytest(project, "-q", suites="")
    assert "2 cases: 1 passed, 1 failed" in done.stdout


@pytest.mark.parametrize(
    ("suites", "words", "said"),
    [
        ("tests/lock", [], "tests/lock: no such suite; did you mean 'tests/locks'?"),
        ("tests/locks", ["--goldlock-repeat=0"], "--goldlock-repeat must be at least 1, not 0"),
        ("tests/locks", ["--goldlock-review"], "pytest itself needs -s for that"),
    ],
)
def test_what_cannot_be_is_one_line(
    project: Path, suites: str, words: list[str], said: str
) -> None:
    done = plain_pytest(project, *words, suites=suites)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stdout
    assert len(done.stdout.strip().splitlines()) == 1


def test_no_cache_no_memory(project: Path) -> None:
    done = plain_pytest(project, "-p", "no:cacheprovider", suites="tests/locks")
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert not (project / ".pytest_cache").exists()


@pytest.mark.parametrize("how", ["-rA", "-rp"])
def test_summaries_of_what_passed(project: Path, how: str) -> None:
    done = plain_pytest(project, how, suites="tests/locks")
    assert re.search(r"^PASSED .*tests/locks/cases/001.sh::001$", done.stdout, re.M), done.stdout
    assert "INTERNALERROR" not in done.stdout


def test_collecting_runs_nothing(project: Path) -> None:
    case = project / "tests" / "locks" / "cases" / "003.sh"
    case.write_text(f"#!/bin/sh\ntouch {project}/ran\n")
    case.chmod(0o755)
    done = plain_pytest(project, "--collect-only", "-q", suites="tests/locks")
    assert "tests/locks/cases/003.sh::003" in done.stdout
    assert not (project / "ran").exists()


def test_the_variables_of_other_tests_have_no_say_in_the_command(suite: MakeSuite) -> None:
    suite.case("001.sh", "echo one", "one\n")
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        done = subprocess.run(
            [sys.executable, ROOT / "run_tests.py", "--suite", suite.root],
            env={**quiet_environment(), name: "--no-such-thing"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 case: 1 passed" in done.stdout
        assert os.environ.get(name) != "--no-such-thing"
