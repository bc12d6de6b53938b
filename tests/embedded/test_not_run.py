# SPDX-License-Identifier: GPL-2.0-or-later
"""A case that meets a refusal of the embedded programs is not run; it never differs or passes."""

import pytest

from tests.conftest import MakeSuite, RunTests

HEADER = "# needs: qemu-img qemu-io\n"
CASES = {
    "shown": "$QEMU_IMG_PROG bitmap --add t b 2>&1; exit 1",
    "swallowed": "$QEMU_IMG_PROG bitmap --add t b >/dev/null 2>&1; echo said nothing",
    "made up for": "$QEMU_IMG_PROG bitmap --add t b 2>&1 | sed 's/.*/no such thing/'",
}


@pytest.mark.parametrize("way", ["", "--update"])
@pytest.mark.parametrize("what", CASES)
def test_a_case_that_was_refused_something_is_not_run(
    run_tests: RunTests, suite: MakeSuite, what: str, way: str
) -> None:
    golden = "what QEMU said\n"
    suite.case("1.sh", HEADER + CASES[what], golden)
    options = ("--suite", str(suite.root), "--programs", "embedded", *filter(None, [way]))
    done = run_tests(*options)
    named = "not served by the embedded programs: qemu-img: Command 'bitmap'"
    assert named in done.stdout
    assert "1 not run" in done.stdout
    assert done.returncode == 0
    assert (suite.root / "expected" / "1.out").read_text() == golden


def test_a_case_that_hangs_then_fails(run_tests: RunTests, suite: MakeSuite) -> None:
    """As does one that says itself why it cannot run: its time limit is told, not the reason."""
    suite.case("1.sh", f"{HEADER}{CASES['shown'].partition(';')[0]}; sleep 1000", "")
    done = run_tests("--suite", str(suite.root), "--programs", "embedded", "--time-limit", "2")
    assert (done.returncode, "time limit: the case was still" in done.stdout) == (1, True)
    assert "1 case: 1 failed" in done.stdout


def test_a_python_case_is_not_run_either_and_all_is_named(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    text = """\
#!/usr/bin/env python3
from goldlock.kits.qemu import Case, run

def main(case):
    case.qemu_img("measure", "t")
    case.qemu_io("-s", "t")

run(main)
"""
    suite.case("1.py", text, "")
    done = run_tests("--suite", str(suite.root), "--programs", "embedded")
    assert "qemu-img: Command 'measure'; qemu-io: Option '-s'" in done.stdout
    assert "1 not run" in done.stdout
