# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults for all cases of a run."""

from tests.conftest import MakeSuite, RunTests


def test_a_fault_in_the_directory_of_each_case(run_tests: RunTests, suite: MakeSuite) -> None:
    """A case that makes no call which the plan is about is told, for it was not tested."""
    suite.case("1", "flock t.lock echo taken", golden="taken\n")
    suite.case("2", "echo nothing", golden="nothing\n")
    plan = "flock t.lock fails with ENOLCK"
    done = run_tests("--suite", str(suite.root), "--fault", plan)
    assert done.returncode == 1
    assert "flock: t.lock: No locks available" in done.stdout
    assert "exit status 123" in done.stdout
    done = run_tests("--suite", str(suite.root), "2", "--fault", f"{plan} may miss")
    assert done.returncode == 0, done.stdout
