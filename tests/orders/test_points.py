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


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        ("os.dup2(os.dup(0), f, False)", ["A: close of f: ok"]),  # dup3
        ("os.dup2(os.dup(0), f)", ["A: close of f: ok"]),
        ("os.dup2(f, f)", []),
        ("os.dup2(99, f)", []),
    ],
)
def test_a_descriptor_that_is_made_another_file_lets_go_of_its_lock(
    orders: Orders, call: str, seen: list[str]
) -> None:
    program = f"""
import fcntl, os
from contextlib import suppress
f = os.open("f", os.O_CREAT)
fcntl.flock(f, fcntl.LOCK_EX)
with suppress(OSError):
    {call}
os._exit(0)
"""
    done = orders("--steps", f"{sys.executable} -I -S -c '{program}'", "flock -n f true")
    assert (done.returncode, done.stderr) == (0, "")
    assert ends(done.stdout) == EITHER_OR_BOTH[:2]
    assert re.findall(r"A: close.*", outcomes(done.stdout)[0]) == seen


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


@pytest.mark.parametrize(
    ("setup", "looks", "other"),
    [
        ("true", "test -e f", "touch f"),
        ("touch f", "test -e f", "rm f"),
        ("mkdir d; touch d/f", "test -e d/f", "mv d e"),
        ("ln -s f l", "test -e l", "touch f"),
        ("printf 1 >f", "test -s f", "truncate -s 0 f"),
    ],
)
def test_looks_at_files_by_name_are_steps(
    orders: Orders, setup: str, looks: str, other: str
) -> None:
    """Of what is there, by a link, in a folder, with data in it."""
    given = (
        "--setup",
        setup,
        "--outcome",
        "true",
        f"sh -c '{looks} && echo yes || echo no'",
        other,
    )
    done = orders(*given)
    assert "1 outcome, of all orders\n" in done.stdout
    done = orders("--points", "files", *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        len(re.findall(r"^    (?:yes|no)$", done.stdout, re.M)) == len(outcomes(done.stdout)) == 2
    )


def test_every_call_that_looks_is_told(orders: Orders) -> None:
    """And none on what is in no folder of the order, nor by a descriptor."""
    names = ("os.stat('f')", "os.lstat('l')", "os.access('no', 0)", "os.readlink('l')")
    also = ("os.stat('f', dir_fd=d)", "os.access('f', 0, dir_fd=d)", "os.readlink('l', dir_fd=d)")
    none = ("os.stat('.')", "os.stat(d)", "os.path.exists('/nosuch/f')", "os.stat('../..')")
    calls = "; ".join((*names, *none, *also))
    program = f"{sys.executable} -I -S -c \"import os; d = os.open('.', 0); {calls}\""
    setup = "touch f; ln -s f l"
    done = orders("--points", "files", "--steps", "--setup", setup, program)
    assert (done.returncode, done.stderr) == (0, "")
    told = re.findall(r"^    A: (.*)", done.stdout, re.M)
    assert told == [
        *("look at f: ok", "look at l: ok", "look at no: not there", "look at l: ok"),
        *("look at f: ok", "look at f: ok", "look at l: ok"),
    ]


def test_who_is_told_how_long_a_file_is_sees_what_is_written_to_it(orders: Orders) -> None:
    """But only what makes it longer."""
    stat = f"{sys.executable} -I -S -c 'import os; print(os.stat(\"f\").st_size)'"
    for write, sizes in (("echo >>f", ["1", "2"]), ("printf 1 | dd of=f conv=notrunc", ["1"])):
        given = ("--setup", "printf 0 >f", "--outcome", "true", stat, f"sh -c '{write} 2>&-'")
        done = orders("--points", "all", *given)
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(re.findall(r"^    (\d)$", done.stdout, re.M)) == sizes


def test_what_follows_from_no_step_is_told_with_a_way_out(orders: Orders) -> None:
    """Here it follows from the process id."""
    way_out = "; if that follows from a look at a file by its name, --points files makes it a step"
    for points in ("locks", "files"):
        done = orders("--points", points, "sh -c 'flock -n f$$ true'")
        assert done.returncode == 1
        assert "step 1 is to be A: " in done.stderr
        assert (way_out in done.stderr) == (points == "locks")


def test_a_path_that_is_no_address_is_left_to_the_kernel(orders: Orders) -> None:
    call = "print(ctypes.CDLL(None).access(ctypes.c_void_p(2**64 - 1), 0))"
    done = orders("--points", "files", f"{sys.executable} -I -S -c 'import ctypes; {call}'")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    -1\n" in done.stdout
