# SPDX-License-Identifier: GPL-2.0-or-later
"""An update writes no golden that could not pass: what is one run's own, or differs between two."""

import re

import pytest
from goldlock.goldens.steady import Printed

from tests.conftest import MakeSuite, RunTests


def said(stdout: str) -> list[str]:
    """Return what is told of the case."""
    _, _, text = stdout.partition("= FAILURES =")
    return text.partition("short test summary")[0].splitlines()


SEEN = "SEEN=${0%/*}/../../seen\n"
"""A file that stays from run to run, beside the suite."""
OWN = """\
echo "in $TEST_DIR/t.db"
echo "$SOCK_DIR"
echo "file://$HOME/x"
echo steady
echo "$TEST_DIR" | sed 's,.*/\\(goldlock-[^/]*\\).*,(\\1),'
"""
WAYS = [
    "1.out:1: not written, as it could not pass: TEST_DIR of this run;"
    " '# filters: paths' in the header mends it",
    "1.out:2: not written, as it could not pass: SOCK_DIR of this run;"
    " '# filters: paths' in the header mends it",
    "1.out:3: not written, as it could not pass: a directory of this run;"
    " '# filters: volatile PATTERN NAME' in the header writes a name for a pattern",
    "1.out:5: not written, as it could not pass: the name of this run's scratch directory;"
    " '# filters: volatile PATTERN NAME' in the header writes a name for a pattern",
]


@pytest.mark.parametrize("once", [(), ("--once",)])
def test_names_of_a_run(run_tests: RunTests, suite: MakeSuite, once: tuple[str, ...]) -> None:
    script = suite.case("1.sh", OWN, "old\n")
    golden = suite.root / "expected" / "1.out"
    done = run_tests("--suite", str(suite.root), "--update", *once)
    assert done.returncode == 1
    told = [each for each in said(done.stdout) if "not written" in each]
    assert [each.rpartition("/")[2] for each in told] == WAYS
    assert golden.read_text() == "old\n"
    script.write_text("#!/bin/sh\n# filters: paths\necho $TEST_DIR\n")
    assert run_tests("--suite", str(suite.root), "--update", *once).returncode == 0
    assert golden.read_text() == "TEST_DIR\n"


def test_process_ids_in_one_run(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", 'echo a pid 1\necho "held by process $$ (apt)"\n', "")
    done = run_tests("--suite", str(suite.root), "--update", "--once")
    assert done.returncode == 1
    why = "a process id of this run; '# filters: pids' in the header mends it"
    (problem,) = [each for each in said(done.stdout) if "not written" in each]
    assert problem.endswith(f"1.out:2: not written, as it could not pass: {why}")


def test_process_ids_that_began_anew_while_the_case_ran() -> None:
    """The kernel does so at 300."""
    printed = Printed("", pids=(32_760, 310))
    was = {number: printed.has_pid(number) for number in (1, 299, 300, 310, 311, 32_759, 32_760)}
    assert [number for number, given in was.items() if given] == [300, 310, 32_760]


@pytest.mark.parametrize(
    ("script", "way", "differs"),
    [
        ('echo "process $$"', "'# filters: pids' in the header mends it", r"[-+]process \d+"),
        ('echo "$$ bytes"', "'# filters: volatile PATTERN NAME' in", r"[-+]\d+ bytes"),
        (
            'echo "process $$"; echo "$$ bytes"',
            "'# filters: pids' in the header mends it in part, and '# filters: volatile PATTERN",
            r"[-+](process \d+|\d+ bytes)",
        ),
        (
            'if [ -e "$SEEN" ]; then echo b; echo a; else echo a; echo b; fi; : >"$SEEN"',
            "'# filters: unordered' in the header mends it",
            r"[-+][ab]",
        ),
    ],
)
def test_what_differs_between_two_runs_is_shown_and_not_written(
    run_tests: RunTests, suite: MakeSuite, script: str, way: str, differs: str
) -> None:
    suite.case("1.sh", f"{SEEN}echo first\n{script}\necho last\n", "old\n")
    done = run_tests("--suite", str(suite.root), "--update")
    assert done.returncode == 1
    lines = said(done.stdout)
    (problem,) = [each for each in lines if "not written" in each]
    assert (
        f"1.out:2: not written: a second run of the case printed something else; {way}" in problem
    )
    shown = lines[lines.index(problem) + 1 :]
    assert shown[0].endswith("1.out (the first run)")
    assert shown[1].endswith("1.out (the second run)")
    changes = [each for each in shown[2:] if each[:1] in ("-", "+")]
    assert len(changes) in (2, 4)
    assert all(re.fullmatch(differs, each) for each in changes)
    assert (suite.root / "expected" / "1.out").read_text() == "old\n"


def test_a_second_run_that_fails(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", f'{SEEN}[ ! -e "$SEEN" ] || exit 3\n: >"$SEEN"\necho hello\n', "old\n")
    done = run_tests("--suite", str(suite.root), "--update")
    assert done.returncode == 1
    assert "in a second run, for --update: exit status 3: the case did not come" in done.stdout
    assert (suite.root / "expected" / "1.out").read_text() == "old\n"


def test_a_case_runs_twice_only_where_something_would_be_written(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case("1.sh", f'{SEEN}echo hello\necho >>"$SEEN"\n', "old\n")
    runs = suite.root.parent / "seen"
    for words, expected in ((("--update",), 2), (("--update",), 1), (("--update", "--once"), 1)):
        runs.unlink(missing_ok=True)
        assert run_tests("--suite", str(suite.root), *words).returncode == 0
        assert len(runs.read_text().splitlines()) == expected
        assert (suite.root / "expected" / "1.out").read_text() == "hello\n"
    (suite.root / "expected" / "1.out").unlink()
    runs.unlink()
    assert run_tests("--suite", str(suite.root), "--update", "--once").returncode == 0
    assert len(runs.read_text().splitlines()) == 1


def test_once_without_an_update(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", "echo hello\n", "hello\n")
    done = run_tests("--suite", str(suite.root), "--once")
    assert done.returncode == 2
    assert "--once is for --update and --review, which run twice what may be" in done.stdout
    assert "Traceback" not in done.stdout
