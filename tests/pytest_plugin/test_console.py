# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run says at its end, and while it goes on."""

import json
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest
from goldlock.pytest_plugin.console import Took, slowest
from goldlock.pytest_plugin.item import SHOWN
from goldlock.runner.history import HISTORY, LastRun
from goldlock.runner.jobs import processors

from tests.conftest import ROOT, MakeSuite, RunTests, plain_pytest, quiet_environment


def remember(root: Path, **seconds: float) -> None:
    """Make a suite's cases have taken so long, last time."""
    file = root / ".pytest_cache" / HISTORY
    file.parent.mkdir(parents=True)
    past = {f"cases/{number.removeprefix('n')}": [took, False] for number, took in seconds.items()}
    file.write_text(json.dumps(past))


def test_the_slowest_cases_on_request(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "sleep 1; echo a", golden="a\n")
    suite.case("2", "echo a", golden="a\n")
    remember(suite.root, n1=77.0)
    done = run_tests("--suite", str(suite.root), "--slowest", "1")
    assert re.search(r"^slowest: 1 \d+\.\d\d s \(last 77\.00 s\)$", done.stdout, re.M)
    assert "slowest: " not in run_tests("--suite", str(suite.root)).stdout


def test_the_slowest_cases_with_xdist(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "sleep 0.1; echo a", golden="a\n")
    remember(suite.root, n1=77.0)
    done = run_tests("--suite", str(suite.root), "--slowest", "1", "--", "-n", "1")
    assert re.search(r"^slowest: 1 \d+\.\d\d s \(last 77\.00 s\)$", done.stdout, re.M)


def test_of_very_many_sections_that_differ_most_are_only_named(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    count = SHOWN + 20
    script = f'for n in $(seq {count}); do echo "== $n =="; echo bad; done'
    golden = "".join(f"== {n} ==\ngood\n" for n in range(1, count + 1))
    suite.case("1", script, golden)
    tap = tmp_path / "tap"
    said = run_tests("--suite", str(suite.root), "--tap", str(tap)).stdout
    assert said.count("\n+        bad") == said.count("DIFFERS") == SHOWN
    assert f"{count} of {count} sections not as in" in said
    named = re.findall(r"^  .*/expected/1\.out:(\d+): (\d+)$", said, re.M)
    assert named == [(str(2 * n), str(n)) for n in range(SHOWN + 1, count + 1)]
    assert f"1 case: 1 failed; {count} sections, {count} differ" in said
    assert len(re.findall(r"^ +not ok \d+ - \d+$", tap.read_text(), re.M)) == count


@pytest.mark.parametrize(
    ("seconds", "asked", "said"),
    [
        ([2, 1, 3, 0.1, 4, 5], None, "slowest: 5 5.00 s, 4 4.00 s (last 3.50 s), 2 3.00 s"),
        ([0.1, 0.2, 0.3, 0.1, 0.1, 9], None, "slowest: 5 9.00 s"),
        ([2, 1, 3, 0.1, 4], None, ""),
        ([0.1] * 10, None, ""),
        ([2, 1], 5, "slowest: 0 2.00 s, 1 1.00 s"),
        ([9] * 10, 0, ""),
        ([0, 0], 2, ""),
    ],
)
def test_which_cases_are_called_slow(seconds: list[float], asked: int | None, said: str) -> None:
    took = [Took(str(n), f"/s/cases/{n}", each) for n, each in enumerate(seconds) if each]
    assert slowest(took, asked, {"/s/cases/4": LastRun(3.5, failed=False)}) == said


def test_a_negative_number_of_slow_cases(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), "--slowest", "-1")
    assert done.stdout == "run_tests.py: --slowest must be at least 0, not -1\n"
    assert done.returncode == 2


def at_a_terminal(
    suite: MakeSuite, wait_for: str = "", term: str = "xterm", jobs: str = "2"
) -> str:
    """Return what a run says at a terminal, with its escape codes.

    What reads from FIFOs in the suite's folder goes on when *wait_for* has been seen.
    """
    child = pexpect.spawn(
        sys.executable,
        [str(ROOT / "run_tests.py"), "--suite", str(suite.root), "-j", jobs],
        env={**quiet_environment(), "TERM": term},
        cwd=str(suite.root),
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=120,
    )
    said = ""
    if wait_for:
        child.expect(wait_for)
        said = f"{child.before}{child.after}"
        for fifo in sorted(suite.root.glob("fifo*")):
            fifo.write_text("go\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return f"{said}{child.before}"


def seen(said: str) -> str:
    """Return the lines that are left on the terminal: saved and restored, and erased."""
    shown = re.sub(r"\x1b7.*?\x1b8\x1b\[K", "", said)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")


def one_that_waits(suite: MakeSuite) -> None:
    os.mkfifo(suite.root / "fifo")
    suite.case("1", f"read line <{suite.root}/fifo; echo a", golden="a\n")
    suite.case("2", "echo a", golden="a\n")


def test_what_runs_and_how_long_it_takes_yet(suite: MakeSuite) -> None:
    one_that_waits(suite)
    remember(suite.root, n1=100.0, n2=60.0)
    said = at_a_terminal(suite, r"running 1( 2)?; 2 to go, about 1 min 40 s")
    assert re.search(r"^cases/1::1 PASSED \(1 section, 1\.out\) +\[ 50%\]$", seen(said), re.M)
    assert "to go" not in seen(said)


def test_what_is_not_known_is_not_told_as_if_it_were(suite: MakeSuite) -> None:
    one_that_waits(suite)
    remember(suite.root, n1=10.0)
    at_a_terminal(suite, r"running (2 )?1( 2)?; 2 to go, at least 10 s")


def test_as_many_jobs_as_the_machine_takes_are_reckoned_with(suite: MakeSuite) -> None:
    one_that_waits(suite)
    os.mkfifo(suite.root / "fifo2")  # so that none ends before: then there may be one job more
    suite.case("2", f"read line <{suite.root}/fifo2; echo a", golden="a\n")
    jobs = min(processors(), 2)
    first = min(61.0 * jobs, 120.0)  # the longest: if there is one job, it is for that
    remember(suite.root, n1=first, n2=120.0 * jobs - first)
    at_a_terminal(suite, "2 to go, about 2 min 0 s", jobs="auto")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_short_run_and_a_dumb_terminal_have_none_of_it(suite: MakeSuite, term: str) -> None:
    suite.case("1", "echo a", golden="a\n")
    remember(suite.root, n1=0.1 if term == "xterm" else 100.0)
    assert "to go" not in at_a_terminal(suite, term=term)


def test_nor_has_a_pipe(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    remember(suite.root, n1=100.0)
    done = run_tests("--suite", str(suite.root), TERM="xterm")
    assert "to go" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_last_line_counts_each_failure_once_and_the_time_of_the_run(
    run_tests: RunTests, suite: MakeSuite, any_python: str
) -> None:
    suite.case("1", "sleep 1; echo == A ==; echo a; echo == B ==; echo b", "== A ==\n== B ==\n")
    suite.case("2", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), python=any_python)
    assert "2 cases: 1 passed, 1 failed; 3 sections, 2 differ" in done.stdout
    last = re.fullmatch(r"=+ 1 failed, 1 passed in ([\d.]+)s =+", done.stdout.splitlines()[-1])
    assert last, done.stdout
    assert 1 <= float(last[1]) < 60


def test_so_does_that_of_bare_pytest(suite: MakeSuite, any_python: str) -> None:
    suite.case("1", "echo == A ==; echo a; echo == B ==; echo b", "== A ==\n== B ==\n")
    (suite.root / "test_one.py").write_text("def test_one(): assert False\n")
    done = plain_pytest(suite.root, "-p", "no:cacheprovider", python=any_python)
    assert "1 case: 1 failed; 2 sections, 2 differ" in done.stdout
    assert re.search(r"^=+ 2 failed in [\d.]+s =+$", done.stdout, re.M), done.stdout


def test_a_run_that_passed_is_green(suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = plain_pytest(suite.root, "--color=yes")
    assert "\x1b[32m\x1b[1m1 passed" in done.stdout.splitlines()[-1], done.stdout
