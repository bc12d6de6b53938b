# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as a step besides lock calls, on real programs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.lockcalls.words import NO_WORDS
from goldlock.orders.explorer import pool, replay
from goldlock.orders.programs import Programs

from tests.orders.conftest import EITHER_OR_BOTH, Orders, ends, outcomes


def test_files_that_are_made_and_removed_are_steps(orders: Orders) -> None:
    programs = ("sh -c 'mkdir d && rmdir d'", "sh -c 'mkdir d && rmdir d'")
    done = orders(*programs)
    assert "1 outcome, of all orders\n" in done.stdout
    done = orders("--points", "files", *programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert ends(done.stdout) == EITHER_OR_BOTH
    assert "mkdir d: EEXIST\n" in done.stdout


@pytest.mark.parametrize(
    ("cut", "rest"),
    [("truncate -c -s 1 f", "1"), ("dd if=/dev/null of=f conv=nocreat status=none", "0")],
)
def test_what_cuts_a_file_off_is_a_step(orders: Orders, cut: str, rest: str) -> None:
    """By ftruncate, and by a plain open with O_TRUNC: before a lock and what is read, or after."""
    programs = ("--setup", "printf 1234 >f", "flock f wc -c f", cut)
    done = orders(*programs)
    assert "1 outcome, of all orders\n" in done.stdout
    done = orders("--points", "files", "--steps", *programs)
    assert (done.returncode, done.stderr) == (0, "")
    found = outcomes(done.stdout)
    assert sorted(re.findall(r"(\d) f\n", "".join(found))) == sorted([rest, "4"])
    assert all("B: truncate f: ok\n" in text for text in found)


def test_a_file_that_cannot_be_cut_off_is_foretold(orders: Orders) -> None:
    dd = "dd if=/dev/null conv=nocreat status=none"
    for given, result in (("of=f", "f: ENOENT"), ("of=$PWD/d", "d: EISDIR")):
        done = orders("--points", "files", "--steps", "--setup", "mkdir d", f"{dd} {given}")
        assert f"A: truncate {result}\n" in done.stdout


def test_a_file_is_cut_off_by_its_name(orders: Orders) -> None:
    cut = f"{sys.executable} -I -S -c 'import os; os.truncate(\"f\", 1)'"
    done = orders("--points", "files", "--setup", "printf 1234 >f", "flock f wc -c f", cut)
    assert (done.returncode, done.stderr) == (0, "")
    found = outcomes(done.stdout)
    assert sorted(re.findall(r"(\d) f\n", "".join(found))) == ["1", "4"]
    assert all("B: truncate f: ok\n" in text for text in found)


@pytest.mark.parametrize(
    ("at", "read", "runs"),
    [
        ("seek=1", ["    23\n", "    xx\n"], 2),  # what the other one reads
        ("seek=2", ["    23\n"], 1),
        ("seek=9", ["    23\n"], 1),  # it ends before what is new
    ],
)
def test_bytes_that_are_read_and_written_are_steps(
    orders: Orders, at: str, read: list[str], runs: int
) -> None:
    write = f"dd if=x of=f bs=2 count=1 {at} conv=notrunc status=none"
    programs = ("dd if=f bs=2 count=1 skip=1 status=none", write)
    given = ("--setup", "printf 01234567 >f; printf xx >x", "--outcome", "true")
    done = orders("--points", "files", *given, *programs)
    assert "1 outcome, of all orders\n" in done.stdout
    done = orders("--points", "all", *given, "--steps", *programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(re.findall(r"    \w\w\n", done.stdout)) == read
    assert "A: read 2-3 of f: ok\n" in done.stdout
    assert f" outcome{'s' * (len(read) > 1)}, of all orders\n{runs} run" in done.stdout


def test_a_read_meets_what_makes_a_file_longer(orders: Orders) -> None:
    """Though no byte is read that is written: of two appends each is read or not."""
    done = orders(
        "--points", "all", "--setup", "printf 1 >f; printf 2 >g", "--outcome", "true",
        "dd if=f bs=3 count=1 status=none", "sh -c 'echo 23 >>f'",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(re.findall(r"    (\d+)\n", done.stdout)) == ["1", "123"]
    assert "B: append to f: ok\n" in done.stdout


def test_a_copy_is_of_both_files(orders: Orders) -> None:
    call = 'os.copy_file_range(os.open("f", 0), os.open("g", 1), 9)'
    copy = f"{sys.executable} -I -S -c 'import os; {call}'"
    done = orders(
        "--points", "all", "--setup", "printf 1 >f; printf 9 >g", "--outcome", "cat g",
        copy, "sh -c 'printf 2 | dd of=f conv=notrunc status=none'",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(re.findall(r"^  (\d)$", done.stdout, re.M)) == ["1", "2"]
    assert "A: copy to g: ok\n" in done.stdout


def test_another_thread_may_make_the_call(tmp_path: Path) -> None:
    """Which of idle threads takes up work is up to chance: it has the name of the one before."""
    programs = Programs(("one",), (("flock", "f", "true"),), "", NO_WORDS)

    def set_up(folder: Path) -> None:
        subprocess.run(["touch", folder / "f"], check=True)

    with pool(programs, set_up, 1) as workers:
        ran = replay(workers, [("A.5", "flock of f, exclusive waiting")]).ran
    assert ran is not None
    assert ran.steps[0].actor == "A.5"
