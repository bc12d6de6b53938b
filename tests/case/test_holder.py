# SPDX-License-Identifier: GPL-2.0-or-later
"""Any program that stays: what it is to be ready, how it is spoken to, and its end."""

import signal
from pathlib import Path
from typing import Any

import pytest
from goldlock.case.case import Case
from goldlock.errors import CaseError

from tests.case.support import make_case
from tests.conftest import MakeSuite, RunTests

Capture = pytest.CaptureFixture[str]

SHELL = ("-c", "printf '> '; while read -r line; do eval \"$line\"; printf '> '; done")


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    made = make_case(tmp_path)
    monkeypatch.chdir(made.test_dir)
    return made


def test_a_prompt_ends_an_answer(case: Case, capsys: Capture) -> None:
    with case.start("sh", *SHELL, prompt="> ", name="A") as shell:
        assert shell.ask("echo $PWD; echo two >&2") == f"{case.test_dir}\ntwo\n"
    assert capsys.readouterr().out == "A> echo $PWD; echo two >&2\nTEST_DIR\ntwo\n"


def test_a_marker_ends_an_answer(case: Case, capsys: Capture) -> None:
    with case.start("sh", marker="echo {}") as shell:
        assert shell.ask("printf 'no end'", show=False) == "no end"
        shell.tell("echo one")
        assert shell.answer() == "one\n"
        shell.tell("echo two; exit 3")
        assert shell.wait() == 3
    assert capsys.readouterr().out == (
        "sh> echo one\none\nsh> echo two; exit 3\ntwo\n[exit status 3]\n"
    )


def test_one_that_was_not_told_how_answers_end(case: Case) -> None:
    with case.start("sh") as shell, pytest.raises(CaseError, match="sh has no prompt: start it"):
        shell.ask("echo one")


def test_it_is_ready_when_it_holds_its_lock(case: Case) -> None:
    with case.start("flock", "--no-fork", "f", "sleep", "1000", locked="f") as holder:
        assert case.program("flock")("-n", "f", "true").status == 1
        with case.start("flock", "f", "echo", "mine", name="waiter") as waiter:
            case.wait_for(blocked=waiter)
            assert " waiter (pid " in case.locks()
            holder.kill()
            assert case.wait_for(line="mine", of=waiter) == "mine"
            assert waiter.wait() == 0
    case.wait_for(unlocked="f")


TREE = """#!/usr/bin/env python3
from goldlock import Case, run

def main(case: Case) -> None:
    with case.start("flock", "f", "sh", "-c", "echo $$ >pid; : >up; sleep 1000; true", exists="up"):
        case.log(case.locks(), case.holders)
    case.log(case.locks())
    case.show(case.program("sh"), "-c", "kill -0 $(cat pid) 2>/dev/null")
run(main)
"""


def test_all_that_it_started_is_killed_with_it(run_tests: RunTests, suite: MakeSuite) -> None:
    """The child has the lock, too: it would keep it. Its own parent is gone: the worker is it."""
    golden = """f: all bytes, exclusive (flock): flock (pid PID, holder)
nobody holds a lock
$ sh -c 'kill -0 $(cat pid) 2>/dev/null'
[exit status 1]
"""
    suite.case("1.py", TREE, golden)
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_it_is_ready_when_it_has_said_so(case: Case) -> None:
    with case.start("sh", "-c", "echo one; echo now ready; read x", line="ready") as shell:
        shell.close_input()
        assert shell.wait(show=False) == 1
    script = "echo starting >log; echo ready >>log; exec sleep 1000"
    with case.start("sh", "-c", script, line="ready", of="log") as shell:
        shell.signal(signal.SIGTERM)
        assert shell.wait() == -signal.SIGTERM


@pytest.mark.parametrize("ready", [{"locked": "f"}, {"exists": "socket"}, {"line": "x"}])
def test_one_that_ends_before_it_is_ready(case: Case, ready: dict[str, str]) -> None:
    Path("f").touch()
    with pytest.raises(CaseError) as caught:
        case.start("sh", "-c", "echo no; exit 7", **ready)  # type: ignore[arg-type] # one each
    told = str(caught.value)
    assert told.startswith("sh failed to ")
    assert "(exit status 7)" in told
    assert told.endswith("it printed:\n  no")


def test_one_that_prints_without_end(case: Case) -> None:
    """The limit ends the wait for it, and what it says is short."""
    with case.start("yes", limit=1) as program, pytest.raises(CaseError) as caught:
        program.wait()
    told = str(caught.value)
    assert told.startswith("yes failed to end within 1 s; it printed:\n  ... ")
    assert len(told) < 1000
    with case.start("sh", "-c", "echo mine; yes &", line="mine") as program:
        assert program.wait(show=False) == 0  # though its child prints on


@pytest.mark.parametrize("name", ["a b", "", "x" * 16])
def test_what_is_no_name_for_a_process(case: Case, name: str) -> None:
    if not name:  # that of the program
        assert case.program("sh", name=name).name == "sh"
        return
    with pytest.raises(CaseError, match="is no name for a process: 1 to 15 of A-Z"):
        case.program("sh", name=name)


def test_a_command_is_shown_with_all_that_comes_of_it(case: Case, capsys: Capture) -> None:
    shell = case.program("sh")
    case.show(shell, "-c", "cat; echo $PWD >&2; exit 5", stdin="in\n")
    case.show(shell, "-c", "kill -9 $$")
    case.show(case.program("flock"), "-q")
    case.start("flock", "-q").wait()
    told = "flock: invalid option -- 'q'\nTry 'flock --help' for more information.\n"
    told += "[exit status 64]\n"
    assert capsys.readouterr().out == (
        "$ sh -c 'cat; echo $PWD >&2; exit 5'\nin\nTEST_DIR\n[exit status 5]\n"
        "$ sh -c 'kill -9 $$'\n[ended by SIGKILL]\n"
        f"$ flock -q\n{told}{told}"
    )


DAEMON = """#!/usr/bin/env python3
import signal
from goldlock import Case, run

START = "(echo $BASHPID >pid; echo ready >log; exec sleep 1000) >/dev/null 2>&1 &"
FLOCK = "flock f sh -c 'echo $$ >pid; exec sleep 1000' >/dev/null 2>&1 &"


def main(case: Case) -> None:
    shell = case.program("sh")
    case.program("sh")("-c", "echo 1 >pid")  # a stale one: that of a process which lives
    with case.daemon("bash", "-c", START, pidfile="pid", line="ready", of="log") as daemon:
        shell("-c", f"kill -0 {daemon.pid} && echo $?").status == 0 and case.log("it lives")
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        case.log(f"kill -0: {shell('-c', f'kill -0 {daemon.pid}').status}")
    with case.daemon("sh", "-c", FLOCK, pidfile="pid", locked="f", by=1) as daemon:
        pass
run(main)
"""


def test_a_daemon_is_gone_for_everybody(run_tests: RunTests, suite: MakeSuite) -> None:
    """Its parent is the worker, which takes note of its end on its own."""
    text = DAEMON.replace(", by=1", "").replace("        pass\n", "        daemon.kill()\n")
    suite.case("1.py", text, golden="it lives\nkill -0: 1\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_a_program_that_leaves_no_daemon(case: Case) -> None:
    with pytest.raises(CaseError) as caught:
        case.daemon("sh", "-c", "echo no; exit 3", pidfile="pid")
    assert str(caught.value) == "sh left no daemon behind [exit status 3]; it printed:\nno\n"
    with pytest.raises(CaseError, match=r"for the pid of a daemon in pid; its folder is empty$"):
        case.daemon("true", pidfile="pid", limit=0.01)
    with pytest.raises(CaseError, match=r"in pid; what is there begins with no number$"):
        case.daemon("sh", "-c", "echo no >pid", pidfile="pid", limit=0.01)


def test_what_is_no_state(case: Case) -> None:
    with pytest.raises(CaseError, match=r"says what to wait for; lokced= is none$"):
        case.wait_for(lokced="f")  # type: ignore[call-arg] # that is the point
    with pytest.raises(CaseError, match=r"^locks of f: No such file or directory$"):
        case.locks("f")


@pytest.mark.parametrize("byte", [-1, 2.5, (9, 5), (1, 2, 3)])
def test_bytes_that_cannot_be(case: Case, byte: Any) -> None:
    with pytest.raises(CaseError, match="byte= is a number, a name, or the first and the last"):
        case.wait_for(locked="f", byte=byte)


REFUSED = """#!/usr/bin/env python3
# needs: faults
# filters: paths
from goldlock import Case, run
from goldlock.errors import CaseError

def main(case: Case) -> None:
    sqlite = case.program("sqlite3")
    sqlite("t.db", "create table t (x)")
    with (
        case.start(sqlite, "t.db", name="first", marker=".print {}") as first,
        case.start(sqlite, "t.db", name="second", marker=".print {}") as second,
    ):
        first.ask(".timeout 3600000")  # second reads for a moment, again and again
        first.ask("begin immediate;")
        second.ask("begin immediate;")
        second.ask(".timeout 3600000")
        try:
            case.wait_for(refused=second, limit=0.01)
        except CaseError as error:
            case.log(str(error).partition(" (pid")[0])
        second.tell("insert into t values (2);")
        case.log(case.wait_for(refused=second))
        first.ask("commit;")
        second.answer()
run(main)
"""


def test_one_that_is_refused_and_tries_again(run_tests: RunTests, suite: MakeSuite) -> None:
    """What it was refused before it was told to insert does not count."""
    golden = """first> .timeout 3600000
first> begin immediate;
second> begin immediate;
Runtime error near line 2: database is locked (5)
second> .timeout 3600000
waited 0.01 s for second
second> insert into t values (2);
second: lock 1073741825 of TEST_DIR/t.db, write posix: EAGAIN (held by first)
first> commit;
"""
    suite.case("1.py", REFUSED, golden)
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


FAULT = """#!/usr/bin/env python3
# needs: faults
from goldlock import Case, run

def main(case: Case) -> None:
    sqlite = case.program("sqlite3")
    sqlite("t.db", "create table t (x)")
    with (
        case.start(sqlite, "t.db", name="first", marker=".print {}") as first,
        case.start(sqlite, "t.db", name="second", marker=".print {}") as second,
        case.faults("lock any byte of t.db by second fails with EIO"),
    ):
        first.ask("select count(*) from t;")
        second.ask("select count(*) from t;")
run(main)
"""


def test_plans_of_faults_know_them_by_their_names(run_tests: RunTests, suite: MakeSuite) -> None:
    golden = """first> select count(*) from t;
0
second> select count(*) from t;
Parse error near line 2: disk I/O error (10)
"""
    suite.case("1.py", FAULT, golden)
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
