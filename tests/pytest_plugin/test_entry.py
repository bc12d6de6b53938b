# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock as a plugin of pytest: nothing, until a project has suites; then its cases, too."""

import json
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
        ("tests/locks", ["--goldlock-until-fail", "-n2"], "not with pytest-xdist (-n); -j runs"),
    ],
)
def test_what_cannot_be_is_one_line(
    project: Path, suites: str, words: list[str], said: str
) -> None:
    done = plain_pytest(project, *words, suites=suites)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stdout
    assert len(done.stdout.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["tests"], ["-n2"]])
def test_a_suite_that_a_link_leads_to_is_run_once(project: Path, words: list[str]) -> None:
    (project / "tests" / "locks").rename(project.parent / "shared")
    (project / "tests" / "locks").symlink_to("../../shared")
    done = plain_pytest(project, *words, suites="tests/locks ./tests/locks")
    assert "2 cases: 1 passed, 1 failed" in done.stdout


def test_a_project_that_is_reached_by_a_link(project: Path) -> None:
    (project.parent / "link").symlink_to(project)
    done = plain_pytest(project, str(project.parent / "link" / "tests"), suites="tests/locks")
    assert "2 cases: 1 passed, 1 failed" in done.stdout


def test_bare_pytest_runs_a_suite_outside_of_the_project(project: Path) -> None:
    (project / "tests" / "locks").rename(project.parent / "shared")
    done = plain_pytest(project, "-v", suites="../shared")
    assert "../shared/cases/001.sh::001 PASSED" in done.stdout
    assert "2 cases: 1 passed, 1 failed" in done.stdout


def test_no_more_than_cases_comes_to_the_tests(project: Path) -> None:
    for name in ("cases", "expected"):
        (project / "tests" / "locks" / name).rename(project / name)
    (project / "test_not_among_testpaths.py").write_text("assert False\n")
    testpaths = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    done = plain_pytest(project, suites=".", more=testpaths)
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert "1 failed, 2 passed" in done.stdout


def test_a_suite_that_pytest_does_not_find_is_named(project: Path) -> None:
    (project / "tests" / "locks").rename(project / "tests" / "build")
    done = plain_pytest(project, "-q", suites="tests/build")
    said = "tests/build/cases: not run, as norecursedirs keeps pytest out of build; name the folder"
    assert said in done.stdout
    assert done.returncode == 0
    done = plain_pytest(project, "tests/build/cases", suites="tests/build")
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert "not run" not in done.stdout


MARKED = """
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == {name!r}:
            item.add_marker(pytest.mark.{mark})
"""


@pytest.mark.parametrize(
    ("name", "mark", "said"),
    [
        ("001", "skip('not here')", "1 failed, 1 passed, 1 skipped"),
        ("002", "skip('not here')", "2 passed, 1 skipped"),
        ("002", "skipif(True, reason='not here')", "2 passed, 1 skipped"),
        ("002", "xfail", "2 passed, 1 xfailed"),
        ("001", "xfail(strict=True)", "2 failed, 1 passed"),
    ],
)
def test_marks_that_a_project_gives_to_cases(
    project: Path, any_python: str, name: str, mark: str, said: str
) -> None:
    (project / "conftest.py").write_text(MARKED.format(name=name, mark=mark))
    done = plain_pytest(project, suites="tests/locks", python=any_python)
    assert said in done.stdout.splitlines()[-1]
    assert done.returncode == (" failed" in said)
    assert "INTERNALERROR" not in done.stdout
    assert ("DIFFERS" in done.stdout) == (name == "001")
    assert "locks/cases/001.sh::001 - DIFFERS" not in done.stdout


def test_a_case_that_is_skipped_updates_nothing(project: Path) -> None:
    (project / "conftest.py").write_text(MARKED.format(name="002", mark="skip('not here')"))
    done = plain_pytest(project, "--goldlock-update", suites="tests/locks")
    assert "2 passed, 1 skipped" in done.stdout
    assert (project / "tests" / "locks" / "expected" / "002.out").read_text() == "three\n"


@pytest.mark.parametrize("does", ["pytest.skip('no database')", "raise OSError('no database')"])
def test_fixtures_of_the_tests_have_no_say_in_what_a_case_is(project: Path, does: str) -> None:
    fixture = f"@pytest.fixture(autouse=True)\ndef database():\n    {does}\n"
    (project / "conftest.py").write_text(f"import pytest\n{fixture}")
    done = plain_pytest(project, suites="tests/locks")
    assert "1 of 1 section not as in tests/locks/expected/002.out" in done.stdout
    assert "1 failed, 1 passed" in done.stdout.splitlines()[-1]


def test_orphans_are_removed_without_another_word(project: Path) -> None:
    orphan = project / "tests" / "locks" / "expected" / "003.out"
    orphan.write_text("")
    done = plain_pytest(project, "--goldlock-orphans", suites="tests/locks")
    assert "no case owns this golden; --goldlock-remove-orphans removes it" in done.stdout
    plain_pytest(project, "--goldlock-remove-orphans", suites="tests/locks")
    assert not orphan.exists()


def test_the_way_out_is_called_as_pytest_calls_it(project: Path) -> None:
    (project / "tests" / "locks" / "expected" / "002.out").unlink()
    done = plain_pytest(project, suites="tests/locks")
    assert "no golden; read the output, then --goldlock-update makes one" in done.stdout


@pytest.mark.parametrize(
    ("words", "broken"),
    [(["--goldlock-update"], "import nothing"), (["--goldlock-update", "--fixtures-per-test"], "")],
)
def test_what_runs_no_tests_updates_nothing(project: Path, words: list[str], broken: str) -> None:
    (project / "tests" / "test_other.py").write_text(f"{broken}\n")
    done = plain_pytest(project, *words, suites="tests/locks")
    assert "passed" not in done.stdout
    assert "not finished" not in done.stdout
    assert (project / "tests" / "locks" / "expected" / "002.out").read_text() == "three\n"


def test_nothing_is_updated_past_the_failure_that_ends_a_run(project: Path) -> None:
    cases = project / "tests" / "locks" / "cases"
    (cases / "001.sh").write_text("#!/bin/sh\nexit 3\n")
    done = plain_pytest(project, "--goldlock-update", "-x", suites="tests/locks")
    assert "1 case: 1 failed" in done.stdout
    assert (cases.parent / "expected" / "002.out").read_text() == "three\n"


def test_files_that_are_to_be_ignored_are_no_cases(project: Path) -> None:
    case = "tests/locks/cases/002.sh"
    done = plain_pytest(project, "-v", f"--ignore={case}", suites="tests/locks")
    assert "1 case: 1 passed" in done.stdout
    done = plain_pytest(project, "-v", f"--ignore={case}", case, suites="tests/locks")
    assert "1 case: 1 failed" in done.stdout


@pytest.mark.parametrize("words", [[], ["-n2"]])
def test_what_is_remembered_of_the_cases(project: Path, words: list[str]) -> None:
    done = plain_pytest(project, "--goldlock-store-durations", *words, suites="tests/locks")
    assert "stored the durations of 2 cases: tests/locks/.goldlock-durations.json" in done.stdout
    known = json.loads((project / "tests/locks/.goldlock-durations.json").read_text())
    assert [*known] == ["001", "002"]
    past = json.loads((project / ".pytest_cache/d/goldlock/history").read_text())
    assert {path: failed for path, (_, failed, _) in past.items()} == {
        "tests/locks/cases/001.sh": False,
        "tests/locks/cases/002.sh": True,
    }


def test_no_cache_no_memory(project: Path) -> None:
    done = plain_pytest(project, "-p", "no:cacheprovider", suites="tests/locks")
    assert "2 cases: 1 passed, 1 failed" in done.stdout
    assert not (project / ".pytest_cache").exists()


@pytest.mark.parametrize("how", ["-rA", "-rp"])
def test_summaries_of_what_passed(project: Path, how: str) -> None:
    done = plain_pytest(project, how, suites="tests/locks")
    assert re.search(r"^PASSED .*tests/locks/cases/001.sh::001$", done.stdout, re.M), done.stdout
    assert "INTERNALERROR" not in done.stdout


@pytest.mark.parametrize("only", ["--collect-only", "--setup-only", "--setup-plan"])
def test_what_only_shows_runs_nothing(project: Path, only: str) -> None:
    case = project / "tests" / "locks" / "cases" / "003.sh"
    case.write_text(f"#!/bin/sh\ntouch {project}/ran\n")
    case.chmod(0o755)
    done = plain_pytest(project, only, "-q", suites="tests/locks")
    assert "tests/locks/cases/003.sh::003" in done.stdout
    assert done.returncode in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
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
