# SPDX-License-Identifier: GPL-2.0-or-later
"""Hunting a race: cases that are run again and again."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from goldlock.runner.history import rounds
from goldlock.settings import Settings
from goldlock.suite.cases import Case

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment


def test_a_case_that_passes_and_fails_is_flaky(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """The first run passes; the third differs in another section, too."""
    suite.case(
        "1",
        f"""echo run >>{tmp_path}/log
        runs=$(wc -l <{tmp_path}/log)
        echo "== One =="; [ $runs -ge 3 ] && echo bad || echo good
        echo "== Two =="; [ $runs -ge 2 ] && echo bad || echo good""",
        golden="== One ==\ngood\n== Two ==\ngood\n",
    )
    done = run_tests("--suite", str(suite.root), "--repeat", "8", "-j", "1")
    assert done.returncode == 1
    assert "1 FAILED (1 of 2 sections, 1.out, FLAKY: failed in 7 of 8 runs (87.5 %))" in done.stdout
    assert "  in 7 runs: Two\n  in 6 runs: One\n" in done.stdout
    kept = re.findall(r"output kept in (\S+)/output", done.stdout)
    outputs = {Path(f"{path}/output").read_text().replace("\n", " ") for path in kept}
    assert outputs == {
        "== One == good == Two == bad ",  # the first way to fail
        "== One == bad == Two == bad ",  # the other
        "== One == good == Two == good ",  # and a run that passed
    }
    assert {path.name for path in Path(kept[0]).parent.iterdir() if path.name[0].isdigit()} == {
        Path(path).name for path in kept
    }


def test_a_case_that_always_fails_is_not_called_flaky(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case("1", "echo bad", golden="good\n")
    done = run_tests("--suite", str(suite.root), "--repeat", "3")
    assert "1 FAILED (1 of 1 section, 1.out, failed in each of 3 runs)" in done.stdout


def test_a_case_that_always_passes_keeps_nothing(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo good", golden="good\n")
    done = run_tests("--suite", str(suite.root), "--repeat", "30")
    assert done.returncode == 0
    assert "1 PASSED (1 section, 1.out, 30 runs)" in done.stdout
    assert [*(tmp_path / "scratch").iterdir()] == []


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_until_one_fails(run_tests: RunTests, suite: MakeSuite, tmp_path: Path, jobs: str) -> None:
    suite.case("1", "echo good", golden="good\n")
    log = tmp_path / "log"
    suite.case("2", f"echo x >>{log}; [ $(wc -l <{log}) -lt 20 ] || echo bad", golden="")
    done = run_tests("--suite", str(suite.root), "--until-fail", "-j", jobs)
    assert done.returncode == 1
    assert re.search(r"1 PASSED \(1 section, 1.out, (19|2\d) runs\)", done.stdout), done.stdout
    assert re.search(r"FLAKY: failed in [123] of 2\d runs", done.stdout), done.stdout
    assert 20 <= len(log.read_text().split()) <= 22


def test_until_one_fails_or_they_have_run_often_enough(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case("1", "echo good", golden="good\n")
    done = run_tests("--suite", str(suite.root), "--until-fail", "--repeat", "5")
    assert done.returncode == 0
    assert "1 PASSED (1 section, 1.out, 5 runs)" in done.stdout


def test_a_seed_makes_an_order(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    for number in "12345":
        suite.case(number, f"echo {number} >>{tmp_path}/log", golden="")
    orders = []
    for seed in ("7", "7", "8"):
        (tmp_path / "log").unlink(missing_ok=True)
        run_tests("--suite", str(suite.root), "--seed", seed, "--repeat", "4", "-j", "1")
        orders.append((tmp_path / "log").read_text().split())
    assert orders[0] == orders[1] != orders[2]
    each = [orders[0][start : start + 5] for start in range(0, 20, 5)]
    assert [sorted(order) for order in each] == [[*"12345"]] * 4
    assert len({tuple(order) for order in each}) > 1


def test_stress_is_felt_and_gone_at_the_end(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """The case sees who keeps the processors busy, and its programs start as ever."""
    suite.case(
        "1",
        "grep -sqa 'os.set_[b]locking' /proc/[0-9]*/cmdline && echo busy\n$QEMU_IMG_PROG 'a b'",
        golden="busy\n[a b]\n",
    )
    image = suite.root / "img"
    image.write_text('#!/bin/sh\necho "[$1]"\n')
    image.chmod(0o755)
    done = run_tests("--suite", str(suite.root), "--stress", QEMU_IMG_PROG=str(image))
    assert done.returncode == 0, done.stdout
    ours = str(tmp_path / "scratch")  # other runs on this machine may be under stress, too
    assert not [
        each.info["cmdline"]
        for each in psutil.process_iter(["cmdline", "environ"])
        if (each.info["environ"] or {}).get("TEST_DIR") == ours
    ]


def test_no_seed_no_disorder() -> None:
    cases = [Case(number, Path(number)) for number in "12"]
    assert [*rounds(cases, Settings(repeat=2))] == [cases, cases]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--repeat", "-1"), "--repeat must be at least 1"),
        (("--repeat", "0"), "--repeat must be at least 1, not 0"),
        (("--repeat", "2", "--update"), "--update and --review take one run"),
        (("--until-fail", "--update"), "--update and --review take one run"),
        (("--repeat", "x"), "run_tests.py: --repeat takes a number, not 'x'"),
        (("--stress", "--wrap", "env"), "--stress stands before all programs"),
        (("-j", "0"), "--jobs must be at least 1, or auto, not 0"),
        (("-j", "many"), "or auto, not many"),
    ],
)
def test_what_makes_no_sense(
    run_tests: RunTests, suite: MakeSuite, options: tuple[str, ...], said: str
) -> None:
    suite.kit()  # has --wrap
    suite.case("1", "echo good", golden="good\n")
    done = run_tests("--suite", str(suite.root), *options)
    assert done.returncode == 2
    assert said in done.stdout
    assert done.stdout.count("\n") == 1


def test_an_interrupted_hunt_tells_what_it_found(suite: MakeSuite, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    hang = f"echo now >{tmp_path}/fifo; exec sleep 99"
    suite.case("1", f"echo x >>{tmp_path}/log; [ $(wc -l <{tmp_path}/log) -lt 9 ] || {{ {hang}; }}")
    (suite.root / "expected" / "1.out").write_text("")
    options = ["--suite", str(suite.root), "--until-fail", "-j1"]
    run = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), *options],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        text=True,
    )
    (tmp_path / "fifo").read_text()
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate()
    assert run.returncode == 130
    assert "not finished: 1 interrupted; 1 failed in 0 of 8 runs\n" in said, said


def test_what_never_ran_as_another_failed_first(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "echo bad", golden="good\n")
    suite.case("2", "echo good", golden="good\n")
    done = run_tests("--suite", str(suite.root), "--until-fail", "-j1")
    assert done.returncode == 1
    assert "not run: 2: another case failed first" in done.stdout


def test_a_seed_is_for_the_cases_in_whatever_order() -> None:
    cases = [Case(number, Path(number)) for number in "12345678"]
    settings = Settings(seed=7)
    assert [*rounds(cases, settings)] == [*rounds(cases[::-1], settings)]
