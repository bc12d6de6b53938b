# SPDX-License-Identifier: GPL-2.0-or-later
"""The tiny suites of tests/suites, under each pytest that goldlock works with."""

import subprocess

import pytest

from tests.conftest import ROOT, RunTests

SUITE = str(ROOT / "tests" / "suites")
NUMBERS = ["101", "102", "103", "104", "105"]


@pytest.mark.parametrize("number", NUMBERS)
def test_reports(run_tests: RunTests, number: str) -> None:
    done = run_tests("--suite", SUITE, number)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("number", NUMBERS)
def test_reports_are_the_same_with_pytest_8(run_tests: RunTests, number: str, python8: str) -> None:
    done = run_tests("--suite", SUITE, number, python=python8)
    assert done.returncode == 0, done.stdout


def test_it_is_pytest_8_that_they_ran_with(python8: str) -> None:
    show = "import pytest; print(pytest.__version__)"
    done = subprocess.run([python8, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("8.4.")
