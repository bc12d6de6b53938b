# SPDX-License-Identifier: GPL-2.0-or-later
"""What is typed: refused where it would not be heeded."""

import re

import pytest
from goldlock.kits.qemu.kit import FORMATS, PROTOCOLS

from tests.conftest import RunTests


@pytest.mark.parametrize(
    ("words", "what"),
    [(["153"], "cases"), (["--repeat", "3"], "--repeat"), (["--keep"], "--keep")],
)
def test_self_tests_are_not_chosen_by_the_options_for_cases(
    run_tests: RunTests, words: list[str], what: str
) -> None:
    done = run_tests("--self-test", *words, "--", "--co")  # lest they run these, too
    assert done.returncode == 2
    assert done.stdout == (
        f"run_tests.py: --self-test runs goldlock's own tests, and takes no {what};"
        " '--self-test -- -k WORD' chooses among them\n"
    )


def test_the_help_is_in_the_order_of_the_readme_and_short(run_tests: RunTests) -> None:
    said = run_tests("--help", COLUMNS="80").stdout
    groups = [line.rstrip(":") for line in said.splitlines() if re.fullmatch(r"[a-z].*:", line)]
    assert groups[1:] == [
        "which cases (default: all)",
        "how they are run",
        "goldens",
        "debugging",
        "flaky tests",
        "reports",
        "image formats and protocols, for short",
        "this program",
    ]
    names = [f"-{name}" for name in (*FORMATS, *PROTOCOLS, "nocache")]
    shown = said.split("for short:")[1].split("this program:")[0]
    assert shown.split() == names
    assert "-- -k 153" in said


def test_a_self_test_can_be_chosen(run_tests: RunTests) -> None:
    done = run_tests("--self-test", "--no-setup", "--", "-q", "--co", "-k", "a_self_test_can_be")
    assert done.returncode == 0
    assert "test_a_self_test_can_be_chosen" in done.stdout
