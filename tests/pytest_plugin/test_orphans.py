# SPDX-License-Identifier: GPL-2.0-or-later
"""Goldens that no case owns: named on each whole run, removed on request only."""

import subprocess

from tests.conftest import MakeSuite, RunTests


def make(suite: MakeSuite) -> list[str]:
    suite.case("1", "echo a", golden="a\n")
    suite.case("2", "echo b", golden="b\n")
    for name in ("3.out", "3.elided.out"):
        (suite.root / "expected" / name).write_text("orphan\n")
    return ["--suite", str(suite.root)]


def goldens(suite: MakeSuite) -> list[str]:
    return sorted(path.name for path in (suite.root / "expected").iterdir())


def git(suite: MakeSuite, *words: str) -> None:
    subprocess.run(["git", *words], cwd=suite.root, check=True)


def test_they_stay_unless_they_are_to_be_removed(run_tests: RunTests, suite: MakeSuite) -> None:
    options = make(suite)
    done = run_tests(*options)
    assert done.returncode == 1
    assert "3.out: no case owns this golden; --remove-orphans removes it, or add" in done.stdout
    assert goldens(suite) == ["1.out", "2.out", "3.elided.out", "3.out"]
    done = run_tests(*options, "--remove-orphans")
    assert done.returncode == 0, done.stdout
    listed = [line.strip() for line in done.stdout.split("2 goldens removed:\n")[1].split("\n")]
    assert listed[:2] == [f"{suite.root}/expected/{name}" for name in ("3.elided.out", "3.out")]
    assert goldens(suite) == ["1.out", "2.out"]


def test_a_variant_for_a_trait_that_no_program_has(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.kit()
    suite.case("1", "echo a", golden="a\n")
    for name in ("1.elidde.out", "1.elided.out", "1.errno.out", "1.errno.2.out"):
        (suite.root / "expected" / name).write_text("a\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 1
    assert "2 goldens that no case uses" in done.stdout
    said = (
        "1.elidde.out: no program has the trait 'elidde'; did you mean 'elided'?"
        " There are: errno, elided, none, unlock-retry; --remove-orphans removes it"
    )
    assert said in done.stdout
    run_tests("--suite", str(suite.root), "--remove-orphans")
    assert goldens(suite) == ["1.elided.out", "1.errno.out", "1.out"]


def test_no_variant_is_made_that_is_an_orphan(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.kit()
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), "--variant", "elidde", "--update")
    assert done.returncode == 2
    assert done.stdout.startswith(
        "run_tests.py: unknown trait 'elidde'; did you mean 'elided'? There"
    )
    assert goldens(suite) == ["1.out"]


def test_a_run_of_some_cases_removes_none(run_tests: RunTests, suite: MakeSuite) -> None:
    options = make(suite)
    for some in (["1"], ["--start-from", "2"]):
        done = run_tests(*options, *some, "--remove-orphans")
        said = "run_tests.py: --remove-orphans: not on a run of some cases; run all of them\n"
        assert done.stdout == said
        assert done.returncode == 2
    done = run_tests(*options, "--remove-orphans", "--", "-k", "not orphan")
    assert "removed:" not in done.stdout
    assert len(goldens(suite)) == 4


def test_not_in_ci(run_tests: RunTests, suite: MakeSuite) -> None:
    done = run_tests(*make(suite), "--remove-orphans", CI="true")
    assert done.stdout.startswith("run_tests.py: --remove-orphans: CI is set")
    assert done.returncode == 2
    assert len(goldens(suite)) == 4


def test_what_git_does_not_have_is_not_removed_unless_forced(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    options = make(suite)
    git(suite, "init", "-q")
    git(suite, "add", "cases", "expected/3.out")
    git(suite, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "some")
    done = run_tests(*options, "--remove-orphans")
    assert done.returncode == 1
    assert "3.elided.out is not committed as it is, and was not removed; commit it" in done.stdout
    assert goldens(suite) == ["1.out", "2.out", "3.elided.out"]
    done = run_tests(*options, "--remove-orphans", "--force")
    assert done.returncode == 0, done.stdout
    assert goldens(suite) == ["1.out", "2.out"]


def test_in_lines_of_tap_they_are_no_test(run_tests: RunTests, suite: MakeSuite) -> None:
    """They are wrong all the same, and go to standard error, which is in here, too."""
    done = run_tests(*make(suite), "-tap")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0]) == (1, "1..2")
    assert [line for line in lines if line.startswith("ok")] == ["ok 1", "ok 2"]
    assert done.stdout.count("no case owns this golden") == 2
