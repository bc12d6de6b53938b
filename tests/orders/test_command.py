# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock orders, on real programs."""

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.lockcalls.support import LOCKER, need
from tests.orders.conftest import EITHER_OR_BOTH, Orders, ends, locker, outcomes


def test_a_lock_is_had_by_one_or_by_both_in_turn(orders: Orders) -> None:
    done = orders("flock -n f true", "flock -n f true")
    assert (done.returncode, done.stderr) == (0, "")
    assert ends(done.stdout) == EITHER_OR_BOTH


def test_a_deadlock_is_found_and_told(orders: Orders) -> None:
    done = orders("flock a flock b true", "flock b flock a true")
    assert done.returncode == 1
    assert "\noutcome 2 - deadlock!\n  deadlock\n" in done.stdout
    assert "  A.2 waits: flock of b, exclusive waiting, held by B\n" in done.stdout
    assert "  B.2 waits: flock of a, exclusive waiting, held by A\n" in done.stdout
    again = orders("--order", "1A 1B", "flock a flock b true", "flock b flock a true")
    assert again.returncode == 1
    assert "deadlock\n" in again.stdout


def test_two_writers_of_a_database_lose_nothing(orders: Orders) -> None:
    need("sqlite3")
    update = "sqlite3 t.db 'begin immediate; update t set x = x + 1; commit'"
    done = orders(
        "--setup", "sqlite3 t.db 'create table t (x); insert into t values (0)'",
        "--outcome", "sqlite3 t.db 'select x from t'",
        update, update,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for text in outcomes(done.stdout):
        worked = text.count(": exit status 0\n")
        assert f"\n  {worked}\n  order: " in text, text


def test_what_must_never_be_is_found(orders: Orders) -> None:
    """And comes again by the order that is printed."""
    programs = (locker("write:1", "unlock:1"), locker("write:1", "unlock:1"))
    given = ("--setup", "touch f", "--never", "A: exit status 0.*EAGAIN.*B:")
    done = orders(*given, *programs)
    assert done.returncode == 1
    wrong = done.stdout.split(" - never!\n")[1]
    order = re.findall(r"order: (.*) \(", wrong)[0]
    again = orders(*given, "--order", order, *programs)
    assert again.returncode == 1
    assert "A: lock 1 of f, write: EAGAIN (held by B)\n" in again.stdout


def test_the_picture_has_a_lane_for_each_program(orders: Orders, tmp_path: Path) -> None:
    picture = tmp_path / "orders.html"
    programs = ("one: flock -n f true", "other: flock -n f true")
    done = orders("--html", str(picture), "--always", "true", *programs)
    assert (done.returncode, done.stderr) == (0, "")
    html = picture.read_text()
    assert "<th>one</th><th>other</th>" in html
    assert html.count("<details") == 3
    assert '<td class="step refused">flock of f, exclusive: EAGAIN (held by one)</td>' in html
    assert {*re.findall('<td class="held">(.*)</td>', html)} == {
        "",
        "one: all of f",
        "other: all of f",
    }


def test_a_part_that_is_let_go_is_not_held_in_the_picture(orders: Orders, tmp_path: Path) -> None:
    picture = tmp_path / "orders.html"
    steps = f"touch f; {' '.join(LOCKER)} f posix-write:0-9 posix-unlock:5 posix-unlock:8-12"
    done = orders("--html", str(picture), f"one: {steps}", "other: flock -n f true")
    assert (done.returncode, done.stderr) == (0, "")
    held = re.findall('<td class="held">(one[^<]*)</td>', picture.read_text())
    assert held == ["one: 0-9 of f", "one: 0-4 6-9 of f", "one: 0-4 6-7 of f"]


def test_few_switches_and_chance_are_told(orders: Orders) -> None:
    programs = ("flock -n f true", "flock -n f true")
    done = orders("--switches", "0", *programs)
    assert "\n2 outcomes, of all orders with at most 0 switches\n" in done.stdout
    first = orders("--chance", "4", "--seed", "3", *programs).stdout
    assert ", of 4 orders of about 20, by chance, seed 3\n" in first
    again = orders("--chance", "4", "--seed", "3", *programs).stdout
    assert first.rpartition("\n4 runs")[0] == again.rpartition("\n4 runs")[0]


def test_an_order_is_shrunk_to_one_of_another_history(orders: Orders) -> None:
    """One is refused the second lock; that it was refused the first one, too, is not needed."""
    programs = [
        f"sh -c 'flock -n f true; flock -n g true{then}'" for then in ("; :", " || echo no")
    ]
    long = "1A 1B 1A.2 1A 1A.3 1B.2"
    given = ("--outcome", "true", "--never", "no", *programs)
    done = orders(*given, "--order", long)
    assert done.returncode == 1
    assert f"order: {long} 1A.4 1A.3 (4 switches)\n" in done.stdout
    done = orders(*given, "--order", long, "--shrink")
    assert done.returncode == 1
    assert "order: 1A 1A.2 1A 1A.3 1A.4 1B 1B.2 1B 1B.3 1A.3 (2 switches)\n" in done.stdout
    done = orders(*given, "--chance", "20", "--seed", "1")
    assert done.returncode == 1
    assert "(2 switches)" in done.stdout.partition(" - never!\n")[2]


@pytest.mark.parametrize("mode", ["", "--switches=1"])
def test_shards_have_all_outcomes_together(orders: Orders, tmp_path: Path, mode: str) -> None:
    """And what they have written is put together to what the whole has, as far as it is told."""
    never = "A: exit status 0.*EAGAIN.*B:"
    given = [*filter(None, [mode]), "--setup", "touch f", "--never", never]
    given += [locker("write:1", "unlock:1", "write:2")] * 2
    files = [str(tmp_path / f"shard{index}") for index in (1, 2)]
    parts = [orders("--shard", f"{index}/2", *given).stdout for index in (1, 2)]
    for file, text, index in zip(files, parts, (1, 2), strict=True):
        Path(file).write_text(text)
        assert f" of shard {index} of 2\n" in text
    whole = orders(*given).stdout
    done = orders("--together", *files)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == whole.rpartition("\n")[0].rpartition("\n")[0] + "\n"
    assert all(len(outcomes(text)) < len(outcomes(whole)) for text in parts)
    done = orders("--together", files[0])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "goldlock orders: --together: of 2 shards, 2 left out\n"


def test_what_is_not_the_same_on_each_run_is_told(orders: Orders) -> None:
    done = orders("sh -c 'flock -n f date +%N'")
    assert done.returncode == 1
    assert done.stderr == (
        "goldlock orders: 1A 1A.2 1A: another outcome when it is run again; "
        "is there something in it that is not the same on each run?\n"
    )
    done = orders("sh -c 'flock -n f date +%N'", "--filter", "volatile [0-9]{9} TIME")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    TIME\n" in done.stdout


SPINS = (
    f"{sys.executable} -I -S -c 'import _thread, fcntl; "
    'f = open("f", "w"); begin = _thread.allocate_lock(); begin.acquire(); '
    "_thread.start_new_thread(lambda: (begin.release(), [0 for _ in iter(int, 1)]), ()); "
    "begin.acquire(); fcntl.flock(f, fcntl.LOCK_EX)'"
)
"""One of its threads never sleeps, though another one stands at a lock call."""


@pytest.mark.parametrize(("limit", "program"), [("0.1", "sleep 3600"), ("2", SPINS)])
def test_a_program_that_does_not_come_to_rest_is_named(
    orders: Orders, limit: str, program: str
) -> None:
    done = orders("--limit", limit, f"idle: {program}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"goldlock orders: idle: no lock call and no end in {limit} s; it does not come to rest\n"
    )


def test_who_waits_for_a_child_that_stands_is_at_rest(orders: Orders) -> None:
    """As vfork(2) makes it wait; so does posix_spawn, whose child may open files before."""
    spawn = (
        f'{sys.executable} -I -S -c \'import os; pid = os.posix_spawn("/bin/true", ["true"], {{}}, '
        'file_actions=[(os.POSIX_SPAWN_OPEN, 1, "f", os.O_CREAT | os.O_EXCL, 384)]); '
        "os._exit(os.waitpid(pid, 0)[1])'"
    )
    done = orders("--points", "files", spawn, spawn)
    assert done.stderr == ""
    assert "A: create f: EEXIST\n" in done.stdout


def test_an_order_without_an_end_is_given_up_with_the_budget(orders: Orders) -> None:
    asks = "sh -c 'while :; do flock f true; sleep 0.2; done'"
    done = orders("--budget", "0.1", "--limit", "10", asks)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 outcomes, of " in done.stdout
    assert "the time was up" in done.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [("echo hi\n", "Exec format error"), ("#!/nosuch/x\n", "No such file or directory")],
)
@pytest.mark.parametrize("points", ["locks", "all"])
def test_a_program_that_cannot_be_executed_is_named(
    orders: Orders, tmp_path: Path, text: str, problem: str, points: str
) -> None:
    """Also where another one has begun: it is ended."""
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(0o755)
    done = orders("--points", points, "flock f true", str(program))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"goldlock orders: {program}: {problem}\n"


@pytest.mark.parametrize(
    ("option", "limit"), [("--setup", "0.1"), ("--outcome", "10"), ("--always", "10")]
)
def test_a_command_that_does_not_end_is_named(
    orders: Orders, tmp_path: Path, option: str, limit: str
) -> None:
    """And is ended, with what it has started; the program has time enough to end by itself."""
    command = f"flock -s {tmp_path}/f sleep 3600; true"
    done = orders("--limit", limit, option, command, "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"goldlock orders: {command}: no end in {limit} s\n"
    with (tmp_path / "f").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # once it is gone


def test_a_program_without_lock_calls_is_told(orders: Orders) -> None:
    """And what else there is to be seen of it."""
    done = orders("one: flock -n f true", "other: true")
    way_out = "; --points files or --points all makes other calls steps"
    assert f"\nother makes no lock call{way_out}\n1 outcome, of all orders\n" in done.stdout
    done = orders("--points", "files", "one: flock -n f true", "other: true")
    assert "\nother makes no lock call\n1 outcome, of all orders\n" in done.stdout


def test_the_name_of_a_program_makes_no_failure(orders: Orders) -> None:
    done = orders("broken: true", "deadlock: true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\noutcome 1\n  broken: exit status 0\n" in done.stdout


def test_bytes_have_the_names_of_a_suite(orders: Orders) -> None:
    need("sqlite3")
    suite = str(ROOT / "tests" / "worlds" / "sqlite")
    done = orders("--steps", "--suite", suite, "sqlite3 t.db 'create table t (x)'")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lock 1073741825 (RESERVED) of t.db, write posix: ok" in done.stdout


def test_a_program_is_looked_for_where_the_command_was_called(
    orders: Orders, tmp_path: Path
) -> None:
    (tmp_path / "program").write_text('#!/bin/sh\nflock -n f echo "$@"\n')
    (tmp_path / "program").chmod(0o755)
    done = orders("./program one", "other: ./program two", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A: exit status 0\n    one\n" in done.stdout


def test_what_comes_by_another_way_keeps_no_other_order_from_being_run(
    orders: Orders, tmp_path: Path
) -> None:
    """Here, the one in which B is to be first: it counts its runs, and locks another file then."""
    programs = [f"flock f sh -c 'echo {name} >>log'" for name in "ABC"]
    count = f"echo >>{tmp_path}/runs; test $(wc -l <{tmp_path}/runs) -ne 3 || "
    programs[1] = f"{count} exec flock g true; {programs[1]}"
    done = orders("-j", "1", "--shard", "1/1", "--outcome", "cat log", *programs)
    assert done.returncode == 1
    assert "\n4 outcomes, of 4 orders of shard 1 of 1: 1 more came by another way\n" in done.stdout
    logs = {"".join(re.findall(r"^  (\w)$", text, re.M)) for text in outcomes(done.stdout)}
    assert logs == {"ABC", "ACB", "CAB", "CBA"}
    (tmp_path / "shard").write_text(done.stdout)
    assert orders("--together", str(tmp_path / "shard")).stderr == ""


def test_threads_and_children_are_let_go_for_themselves(orders: Orders) -> None:
    done = orders("--steps", "--setup", "touch f", locker("thread", "write:1", "fork", "write:2"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "A.2: lock 2 of f, write: ok\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no-such-program"], "no-such-program: no such program"),
        (["true", "--setup", "echo so; exit 3"], "the set-up failed with exit status 3: so"),
        (
            ["true", "--setup", "nosuch"],
            "the set-up failed with exit status 127: /bin/sh: 1: nosuch: not found",
        ),
        (
            ["true", "--outcome", "nosuch"],
            "the outcome failed with exit status 127: /bin/sh: 1: nosuch: not found",
        ),
        (
            ["true", "--setup", "touch f", "--outcome", "./f"],
            "the outcome failed with exit status 126: /bin/sh: 1: ./f: Permission denied",
        ),
        (["true", "--always", "nosuch"], "the predicate failed with exit status 127: nosuch"),
        (["true", "--order", "9Q"], "--order: 9Q: expected how many steps of whom, such as 9A"),
        (["true", "--order", "2B"], "--order: B: the last program is A"),
        (["true", "--never", "("], "--never: missing ), unterminated subpattern at position 0"),
        (["true"] * 9, "more than 8 programs"),
        (["true", "-j", "-1"], "-j: expected 0 to 999999, not -1"),
        (["true", "--limit", "nan"], "--limit: expected 0 to 999999, not nan"),
        (["true", "--chance", "0"], "--chance: expected 1 to 999999, not 0"),
        (["true", "--chance", "1", "--switches", "1"], "--switches and --chance: one of them"),
        (["/dev/null", "--together"], "--together: /dev/null: not of a shard"),
        (["no-file", "--together"], "no-file: No such file or directory"),
        (["true", "--shard", "3/2"], "--shard takes I/N, the I-th of N from 1/N to N/N, not 3/2"),
        (["true", "--seed", "1"], "--seed: is of --chance"),
        (["true", "--never", ""], "--never: empty"),
        (["true", "--order", "1A", "--chance", "1"], "--order and --chance: one of them"),
        (
            ["true", "--order", "99999999999A"],
            "--order: 99999999999A: expected how many steps of whom, such as 9A",
        ),
        (["true", "--html", "/no/page.html"], "--html /no/page.html: no file can be written there"),
        (
            ["/dev/null", "--together", "--never", "x"],
            "--never: say it to each shard; --together has what they found",
        ),
        (["x: true", "x: true"], "two programs have the same name: x, x"),
        (["'"], "': No closing quotation"),
        (["true", "--kit", "nokit"], "no kit has the name nokit"),
        (["true", "--suite", "no"], "no: has no suite.toml, which could name bytes"),
        (["true", "--suite", ""], "--suite: empty"),
        (
            ["true", "--filter", "nofilter"],
            "unknown filter 'nofilter'; goldlock filter --list lists them",
        ),
    ],
)
def test_bad_usage_is_one_line(orders: Orders, arguments: list[str], complaint: str) -> None:
    done = orders(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"goldlock orders: {complaint}\n"


def test_more_workers_than_are_of_use_are_refused(orders: Orders) -> None:
    most = 4 * len(os.sched_getaffinity(0))
    done = orders("-j", str(most + 1), "--chance", "2", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"goldlock orders: -j: {most + 1} is more than 4 for each processor, {most}\n"
    )


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ("1A 1B", "after 1 step, B waits: flock of f, exclusive waiting, held by A"),
        ("2A.2", "after 0 steps, A.2 has no step to make"),
        ("1A 1A.2 1A 1B 2A", "after 4 steps, A has ended"),
    ],
)
def test_an_order_that_cannot_be_is_told(orders: Orders, order: str, complaint: str) -> None:
    done = orders("--order", order, "flock f true", "flock f true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"goldlock orders: --order: {complaint}; there is ")


def test_an_outcome_that_fails_is_one(orders: Orders) -> None:
    done = orders("true", "--outcome", "echo gone; exit 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  gone\n" in done.stdout


def test_an_output_that_cannot_be_written_is_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "run_tests.py"), "orders", "true"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    said = "goldlock orders: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_program_has_no_descriptor_but_its_own(orders: Orders) -> None:
    """One that had what the other one's calls are read from would keep it waiting for ever."""
    done = orders("flock f true", "ls -l /proc/self/fd", "--outcome", "true")
    assert done.returncode == 0
    assert "/fd" in done.stdout
    assert "seccomp" not in done.stdout
