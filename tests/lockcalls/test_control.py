# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that a running case sets and takes away."""

import sys
from pathlib import Path

import pytest
from goldlock.lockcalls import control
from goldlock.lockcalls.api import faults, unavailable
from goldlock.lockcalls.control import Control, NoSupervisorError
from goldlock.lockcalls.made import makers
from goldlock.lockcalls.plan import Fault

from tests.lockcalls.support import FAULTS, LOCKER, Run

ROOT = Path(__file__).resolve().parents[2]

CASE = f"""
import subprocess, sys
from errno import EIO, ENOLCK
sys.path.insert(0, {str(ROOT / ".import")!r})
from goldlock.lockcalls.api import *

def lock(*steps):
    print(subprocess.check_output([*{LOCKER!r}, "t.raw", *steps], text=True), end="")

"""


@pytest.fixture
def case(supervised: Run, image: Path):  # type: ignore[no-untyped-def]
    """Return run(code): what a case that runs this code printed."""

    def run(code: str) -> list[str]:
        done = supervised([sys.executable, "-c", CASE + code], cwd=image.parent)
        assert (done.stderr, done.returncode) == ("", 0)
        return done.stdout.replace(str(image.parent), "TEST_DIR").splitlines()

    return run


def test_fault_is_at_work_within_the_block_only(case) -> None:  # type: ignore[no-untyped-def]
    code = """
lock("lock:100")
with faults("lock", byte=100, image="t.raw", errno=ENOLCK, times=1) as active:
    lock("lock:100", "lock:100")
lock("lock:100")
print(active.hits)
"""
    assert case(code) == [
        "lock:100: ok",
        "lock:100: ENOLCK",
        "lock:100: ok",
        "lock:100: ok",
        "1",
    ]


def test_program_that_runs_already(case) -> None:  # type: ignore[no-untyped-def]
    code = f"""
p = subprocess.Popen([*{LOCKER!r}, "t.raw", "lock:1", "input", "lock:1", "input", "lock:1"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=0)
def step():
    print(p.stdout.readline(), end="")
step()
with faults("lock 1 fails with EIO"):
    p.stdin.write("x")
    step()
p.stdin.write("x")
step()
"""
    assert case(code) == ["lock:1: ok", "lock:1: EIO", "lock:1: ok"]


def test_several_and_nested(case) -> None:  # type: ignore[no-untyped-def]
    code = """
plan = "lock 1 fails with EIO once\\nlock 2 fails with EIO"
with faults(plan, Fault("lock", ENOLCK, 3)) as outer:
    with faults("lock any fails with ESTALE from call 2") as inner:
        lock("lock:1", "lock:2", "lock:3", "lock:4")
    lock("lock:4")
print(outer.hits, inner.hits)
"""
    assert case(code) == [
        "lock:1: EIO",
        "lock:2: EIO",
        "lock:3: ENOLCK",
        "lock:4: ESTALE",
        "lock:4: ok",
        "3 1",
    ]


def test_faults_go_when_the_block_raises(case) -> None:  # type: ignore[no-untyped-def]
    code = """
try:
    with faults("lock any fails with EIO"):
        raise KeyError
except KeyError:
    lock("lock:1")
print(unavailable())
"""
    assert case(code) == ["lock:1: ok", "None"]


def test_fault_that_made_no_call_fail(case) -> None:  # type: ignore[no-untyped-def]
    code = """
def tried(*plan, **fields):
    try:
        with faults(*plan, **fields):
            lock("lock:1")
    except MissedError as error:
        print(error)

tried("lock 2 of t.raw fails with EIO")
tried("lock 1 fails with EIO from call 2")
tried("lock", byte=(2, 3), errno=EIO)
tried("lock 2 fails with EIO may miss")
tried("lock", byte=2, errno=EIO, may_miss=True)
tried("lock 1 fails with EIO once", "lock 2 fails with EIO")
"""
    none, way_out = "no call failed; of such calls there were", 'write "may miss" behind it if'
    assert [line.replace(way_out, "...") for line in case(code)] == [
        "lock:1: ok",
        f"lock 2 of TEST_DIR/t.raw fails with EIO: {none} none; ... that is in order",
        "lock:1: ok",
        f"lock 1 fails with EIO from call 2: {none} 1 only; ... that is in order",
        "lock:1: ok",
        f"lock 2-3 fails with EIO: {none} none; ... that is in order",
        "lock:1: ok",
        "lock:1: ok",
        "lock:1: EIO",
        f"lock 2 fails with EIO: {none} none; ... that is in order",
    ]


def test_trace_is_there_when_the_call_returns(case) -> None:  # type: ignore[no-untyped-def]
    code = """
lock("lock:100")
print(trace_path().read_text().partition(" of ")[0])
"""
    assert case(code) == ["lock:100: ok", "locker.py: lock 100"]


def test_from_a_shell(supervised: Run, image: Path) -> None:
    command = f"'{sys.executable}' '{ROOT}/.import/goldlock/lockcalls/__main__.py'"
    locker = " ".join(LOCKER)
    script = f"""
key=$({command} --add 'lock 1 of t.raw fails with EIO')
{locker} t.raw lock:1
{command} --clear $key
{locker} t.raw lock:1
{command} 'lock 1 fails with ENOLCK' -- {locker} t.raw lock:1
{locker} t.raw lock:1
{command} --check; echo $?
{command} -- sh -c 'kill -9 $$' 2>&-; echo $?
{command} --clear 99; echo $?
{command} --trace x -- true; echo $?
{command} 'lock 2 fails with EIO' -- {locker} t.raw lock:1; echo $?
key=$({command} --add 'lock 1 fails with EIO from call 9')
{command} --clear $key; echo $?
"""
    done = supervised(["sh", "-c", script], cwd=image.parent)
    assert done.stdout.splitlines() == [
        "lock:1: EIO",
        "1",
        "lock:1: ok",
        "lock:1: ENOLCK",
        "lock:1: ok",
        "faults can be injected here",
        "0",
        "137",
        "77",
        "2",
        "lock:1: ok",
        "123",
        "0",
        "123",
    ]
    assert done.stderr.count("no call failed; of such calls there were none") == 2
    assert "goldlock faults: no such fault: 99\n" in done.stderr


def test_more_clients_than_it_takes(case) -> None:  # type: ignore[no-untyped-def]
    """One that has too many is told; calls are served, and so are those that came before."""
    code = """
from goldlock.lockcalls.control import Control, NoSupervisorError
first = Control()
many = [Control() for _ in range(300)]
try: many[-1].settle()
except NoSupervisorError as error: print(error)
lock("lock:1")
first.settle()
for each in many: each.close()
while True:
    try:
        Control().settle()
        break
    except NoSupervisorError: pass
"""
    assert case(code) == ["the fault supervisor is gone", "lock:1: ok"]


def test_a_key_that_is_none(case) -> None:  # type: ignore[no-untyped-def]
    """It is served on, whatever was asked for."""
    code = f"""
from goldlock.lockcalls.control import Control, NoSupervisorError
odd = "await \u00b2", "await " + 5000 * "9", "clear \u00b2", "await 7", "locks", "locks a"
for request in odd:
    try: Control()._ask(request)
    except NoSupervisorError as error: print(str(error)[:40])
for verb in ("--await", "--clear"):
    done = subprocess.run([*{FAULTS.split()!r}, verb, "\u00b2"], stderr=subprocess.PIPE, text=True)
    print(done.returncode, done.stderr, end="")
lock("lock:1")
"""
    assert case(code) == [
        "no such request: await",
        "no such request: await",
        "no such fault: \u00b2",
        "no such fault: 7",
        "no such fault: ",
        "no such fault: a",
        *["2 goldlock faults: \u00b2: not a key that --add printed"] * 2,
        "lock:1: ok",
    ]


def test_a_call_that_does_not_come(case) -> None:  # type: ignore[no-untyped-def]
    """Whoever waits for it in a shell is told so in the end."""
    code = """
import os
from goldlock.lockcalls import command
from goldlock.lockcalls.control import Control
from goldlock.lockcalls.plan import parse_plan
command._AWAIT_LIMIT = 0.5
key = Control().add(parse_plan("lock 77 is paused may miss")[0])
os.dup2(1, 2)
print(command.main(["--await", str(key)]))
"""
    assert case(code) == ["goldlock faults: 1: no such call came in 0.5 s", "123"]


LOCK_FILES = f"""
import os, sys
sys.path.insert(0, {str(ROOT / ".import")!r})
from goldlock.lockcalls.control import Control
odd = ["a\\tb", "a\\nb", "a\\x0bb", "a\\x85b", "a\\u2028b", ' "a"\\\\ #', "\\udcff", ""]
names = [f"{{name}}.lock" for name in odd] + [f"{{i:0200}}.lock" for i in range(500)]
for name in names:
    os.close(os.open(name, os.O_CREAT | os.O_EXCL))
for folder in (os.getcwd(), "/"):
    found = Control().lock_files(folder)
    paths = [path for path, _, _ in found]
    print(paths == sorted(f"{{os.getcwd()}}/{{name}}" for name in names))
    print({{pid for _, _, pid in found}} == {{os.getpid()}})
"""


def test_lock_files_of_any_name(supervised: Run, tmp_path: Path) -> None:
    """And more of them than there is room for in one answer."""
    done = supervised([sys.executable, "-c", LOCK_FILES], files=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n" * 4, "")
    trace = (tmp_path / "trace").read_bytes().decode("utf-8", "surrogateescape")
    assert f"{tmp_path}/a\u2028b.lock" in makers(trace)


def test_without_a_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(control.FAULTS_VARIABLE, raising=False)
    with (
        pytest.raises(NoSupervisorError, match=r"^not under a fault supervisor"),
        faults("lock 1 fails with EIO"),
    ):
        pass
    monkeypatch.setenv(control.FAULTS_VARIABLE, "goldlock-faults-none")
    with pytest.raises(NoSupervisorError, match=r"^no fault supervisor answers: "):
        Control()
    assert unavailable() == "no fault supervisor answers: Connection refused"


class _Recorder:
    """Stands for a supervisor: requests that are not understood must not reach it."""

    def add(self, fault: Fault) -> int:
        raise AssertionError(fault)

    def clear(self, key: int) -> int:
        raise KeyError(key)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("add lok", "error 1:1: lok: expected a call: lock, unlock, test, probe, flock, lease, "),
        ("add", "error expected one line of a plan"),
        ("clear 7", "error no such fault: 7"),
        ("clear x", "error no such fault: x"),
        ("stop", "error no such request: stop"),
    ],
)
def test_request_that_cannot_be(request_: str, reply: str) -> None:
    assert control._reply(request_, _Recorder()).startswith(reply)  # type: ignore[arg-type]
