# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults for all cases of a run."""

import re

import pytest

from tests.conftest import ROOT, MakeSuite, RunTests
from tests.lockcalls.support import need


@pytest.mark.usefixtures("_supervisor")
def test_a_fault_in_the_directory_of_each_case(run_tests: RunTests, suite: MakeSuite) -> None:
    """A case that makes no call which the plan is about is told, for it was not tested."""
    suite.case("1", "flock t.lock echo taken", golden="taken\n")
    suite.case("2", "echo nothing", golden="nothing\n")
    plan = "flock t.lock fails with ENOLCK"
    done = run_tests("--suite", str(suite.root), "--fault", plan)
    assert done.returncode == 1
    assert "flock: t.lock: No locks available" in done.stdout
    assert re.search(r"^flock of \S+/t.lock fails with ENOLCK: no call failed; ", done.stdout, re.M)
    assert "exit status 123" not in done.stdout
    assert "2 sections, 1 differ" in done.stdout
    done = run_tests("--suite", str(suite.root), "2", "--fault", f"{plan} may miss")
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_a_trace_that_cannot_be_written(run_tests: RunTests, suite: MakeSuite) -> None:
    """The case fails for that, and for nothing else; its programs have no part in it."""
    need("prlimit")
    suite.case("1", "prlimit --pid $PPID --fsize=1; flock f echo taken", golden="taken\n")
    done = run_tests("--suite", str(suite.root), "--trace-locks")
    assert done.returncode == 1
    assert re.search(r"^cannot write the trace \S+/1/locks: File too large$", done.stdout, re.M)
    assert "did not come to its end" not in done.stdout
    assert "1 section, 0 differ" in done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_a_plan_has_the_words_of_the_suite(run_tests: RunTests) -> None:
    need("sqlite3")
    sqlite = ("--suite", str(ROOT / "tests" / "worlds" / "sqlite"), "reserved")
    plan = "lock RESERVED of t.db by sqlite3 fails with EIO once"
    done = run_tests(*sqlite, "--fault", plan, "--trace-locks")
    assert done.returncode == 1, done.stdout
    assert re.search(
        r"sqlite3: lock 1073741825 \(RESERVED\) of \S+, write posix: EIO \(injected\)", done.stdout
    ), done.stdout
    done = run_tests(*sqlite, "--fault", plan.replace("t.db", "t.sqlite"))
    assert (done.returncode, "it is the name of a byte of *.db" in done.stdout) == (2, True)


def test_a_suite_without_the_words_refuses_them(run_tests: RunTests, suite: MakeSuite) -> None:
    sqlite = str(ROOT / "tests" / "worlds" / "sqlite")
    plan = "lock RESERVED of t.db fails with EIO once"
    suite.case("1", "echo nothing", golden="nothing\n")
    done = run_tests("--suite", sqlite, "--suite", str(suite.root), "--fault", plan)
    assert done.returncode == 2
    assert "RESERVED" in done.stdout
