# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters in a header: what a case prints goes through them, whatever it is written in."""

import pytest

from tests.conftest import MakeSuite, RunTests

SCRIPT = """#!/bin/sh
# filters: paths pids holders
ln -s /nothing/there "$TEST_DIR/../output.unfiltered"
echo "in $TEST_DIR and $SOCK_DIR"
echo "held by process $$"
flock f sh -c 'goldlock locks'
"""

GOLDEN = """in TEST_DIR and SOCK_DIR
held by process PID
f: all bytes, exclusive (flock): flock (pid PID, holder)
"""


def test_they_are_applied_before_the_golden(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", SCRIPT, golden=GOLDEN)
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_what_was_printed_before_is_kept(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", SCRIPT, golden="other\n")
    done = run_tests("--suite", str(suite.root))
    assert "+        in TEST_DIR and SOCK_DIR" in done.stdout
    kept = done.stdout.partition(", and before filters ")[2].split()[0]
    assert kept.endswith("/1/output.unfiltered")
    with open(kept) as file:  # noqa: PTH123 - a word of what was said
        assert "/test and /" in file.read()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pathes", "filters: unknown filter 'pathes'; did you mean 'paths'?"),
        ("volatile a", "filters: volatile wants PATTERN NAME, and was given 1 of them"),
        ("volatile 'a", "filters: no closing quotation; write it as for a shell"),
        ("", "'filters' has no value"),
    ],
)
def test_a_header_has_filters_without_arguments(
    run_tests: RunTests, suite: MakeSuite, words: str, told: str
) -> None:
    suite.case("1.sh", f"#!/bin/sh\n# filters: {words}\n", golden="")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 2
    assert f"cases/1.sh:2: {told}" in done.stdout
