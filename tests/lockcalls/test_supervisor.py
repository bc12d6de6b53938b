# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls fail: by call, byte, image, program, number and times."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from goldlock.lockcalls.api import wrap

from tests.lockcalls.support import LOCKER, Run

Locks = Callable[..., list[str]]


@pytest.mark.parametrize(
    "name", ["EAGAIN", "EACCES", "ENOLCK", "EIO", "EINVAL", "EDEADLK", "ESTALE", "EBADF"]
)
def test_errno(locks: Locks, name: str) -> None:
    assert locks(f"lock 100 fails with {name}", "lock:100") == [f"lock:100: {name}"]


def test_call_and_byte(locks: Locks) -> None:
    steps = ("lock:100", "lock:101", "test:100", "unlock:100", "probe")
    free = "none 0 {} {} 0"
    before = ["ok", "ok", free.format(100, 1), "ok", free.format(0, 0)]
    for failing, plan in enumerate(
        ["lock 100", "lock 101", "test 100", "unlock any byte", "probe"]
    ):
        results = [line.partition(": ")[2] for line in locks(f"{plan} fails with EIO", *steps)]
        assert results == [*before[:failing], "EIO", *before[failing + 1 :]]


def test_byte_within_a_range(locks: Locks) -> None:
    plan = "lock 100 fails with EIO"
    assert locks(plan, "lock:90-100", "lock:90-99", "lock:101-110", "lock") == [
        "lock:90-100: EIO",
        "lock:90-99: ok",
        "lock:101-110: ok",
        "lock: EIO",  # the whole file
    ]


def test_from_the_end_of_the_file(locks: Locks) -> None:
    assert locks("lock 1023 fails with EIO", "lock:end-1", "lock:end-2") == [
        "lock:end-1: EIO",
        "lock:end-2: ok",
    ]


def test_from_where_it_is_in_the_file(locks: Locks) -> None:
    assert locks("lock 7 fails with EIO", "seek:9", "lock:cur-2", "lock:cur-1") == [
        "seek:9: ok",
        "lock:cur-2: EIO",
        "lock:cur-1: ok",
    ]


RANGES = ("lock:10-19", "lock:10-18", "lock:0-29", "lock:10-", "lock", "lock:15")


@pytest.mark.parametrize(
    ("target", "failing"),
    [
        ("10-19", "lock:10-19 lock:0-29 lock:10- lock"),
        ("exactly 10-19", "lock:10-19"),
        ("some of 18-30", "lock:10-19 lock:10-18 lock:0-29 lock:10- lock"),
        ("exactly 15", "lock:15"),
        ("15", "lock:10-19 lock:10-18 lock:0-29 lock:10- lock lock:15"),
        ("10-", "lock:10- lock"),
        ("exactly 10-", "lock:10-"),
        ("all", "lock"),
        ("any byte", " ".join(RANGES)),
    ],
)
def test_ranges(locks: Locks, target: str, failing: str) -> None:
    results = [line.rpartition(": ") for line in locks(f"lock {target} fails with EIO", *RANGES)]
    assert [step for step, _, result in results if result == "EIO"] == failing.split()


def test_number_and_times(locks: Locks) -> None:
    steps = ["lock:100"] * 6
    results = "".join(
        "F" if "EIO" in line else "."
        for line in locks("lock any fails with EIO from call 2 3 times", *steps)
    )
    assert results == ".FFF.."
    assert "EIO" in locks("lock any fails with EIO from call 6", *steps)[5]


def test_eintr_once_is_seen_once(locks: Locks) -> None:
    # Python, like QEMU, calls again after EINTR: the program sees nothing.
    assert locks("lock 100 fails with EINTR once", "lock:100") == ["lock:100: ok"]


def test_eintr_is_traced(locks: Locks, traced: Callable[[], list[str]]) -> None:
    locks("lock 100 fails with EINTR 2 times", "lock:100")
    assert [line.rpartition(": ")[2] for line in traced()] == ["EINTR (injected)"] * 2 + ["ok"]


def test_first_fault_that_is_due_wins_and_all_count(locks: Locks) -> None:
    plan = "lock 100 fails with EIO once\nlock any fails with ENOLCK from call 2 once"
    assert locks(plan, *["lock:100"] * 3) == [
        "lock:100: EIO",
        "lock:100: ENOLCK",
        "lock:100: ok",
    ]


def test_program(locks: Locks) -> None:
    assert locks("lock any by locker.py fails with EIO", "lock:1") == ["lock:1: EIO"]
    assert locks("lock any by qemu-io fails with EIO may miss", "lock:1") == ["lock:1: ok"]


def test_image_by_identity(supervised: Run, image: Path) -> None:
    other = image.with_name("backing.raw")
    other.write_bytes(b"")
    soft, hard = image.with_name("soft"), image.with_name("hard")
    soft.symlink_to(image)
    hard.hardlink_to(image)

    def result(named: Path, opened: Path) -> str:
        return supervised(
            [*LOCKER, str(opened), "lock:1"], f"lock any of {named} fails with EIO"
        ).stdout

    for named in (image, soft, hard):
        for opened in (image, soft, hard):
            assert result(named, opened) == "lock:1: EIO\n"
        assert result(named, other) == "lock:1: ok\n"
    assert result(image.with_name("missing"), image) == "lock:1: ok\n"


def test_image_that_is_made_or_replaced_later(supervised: Run, image: Path) -> None:
    plan = f"lock any of {image.name} fails with EIO"
    script = 'rm t.raw; "$@" other; touch t.raw; "$@" t.raw; cp t.raw new; mv new t.raw; "$@" t.raw'
    image.with_name("other").write_bytes(b"")
    argv = ["sh", "-c", script, "sh", *LOCKER[:-1], LOCKER[-1]]
    program = image.with_name("locker")
    program.write_text(f'#!/bin/sh\nexec {" ".join(LOCKER)} "$1" lock:1\n')
    program.chmod(0o755)
    here = Path.cwd()
    os.chdir(image.parent)  # the plan's path is relative to where it is said
    try:
        done = supervised([*argv[:4], str(program)], plan)
    finally:
        os.chdir(here)
    assert done.stdout.split() == ["lock:1:", "ok", "lock:1:", "EIO", "lock:1:", "EIO"]


@pytest.mark.parametrize("where", ["thread", "fork", "daemon"])
def test_covers(supervised: Run, image: Path, where: str) -> None:
    argv = [*LOCKER, str(image), where, "lock:100", "lock:101"]
    # The pipe's end is waited for: a daemon's output is in it, though its parent is gone.
    done = supervised(argv, "lock 100 fails with EIO")
    assert done.stdout == "lock:100: EIO\nlock:101: ok\n"


def test_conflict_is_reported_in_the_struct(supervised: Run, image: Path) -> None:
    with subprocess.Popen(
        [*LOCKER, str(image), "lock:100", "write:201-203", "input"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        holder.stdout.readline()
        done = supervised(
            [*LOCKER, str(image), "test:100", "test:202", "test:204", "write:100", "lock:100"]
        )
        holder.stdin.close()
    assert done.stdout.splitlines() == [
        "test:100: read 0 100 1 -1",
        "test:202: write 0 201 3 -1",
        "test:204: none 0 204 1 0",
        "write:100: EAGAIN",
        "lock:100: ok",
    ]


def test_same_answers_as_without_a_supervisor(locks: Locks, image: Path) -> None:
    steps = [
        *(
            "lock:1",
            "write:5-9",
            "test:5",
            "test:end-3",
            "unlock:6",
            "probe",
            "lock",
            "unlock",
            "wait:1",
            "unlock",
        ),
        *("posix-lock:1", "posix-write:20", "posix-test:20", "posix-unlock:1", "posix-wait:30"),
        *("posix-probe", "posix-test:1", "fork", "test:1", "posix-test:20"),
    ]
    bare = subprocess.run(
        [*LOCKER, str(image), *steps], capture_output=True, text=True, check=True, timeout=120
    )

    def without_pids(lines: list[str]) -> list[str]:
        return [line.rpartition(" ")[0] if "posix-test" in line else line for line in lines]

    assert without_pids(locks("", *steps)) == without_pids(bare.stdout.splitlines())


def test_posix_calls_fail_too(locks: Locks) -> None:
    plan = "lock any fails with EIO\ntest any fails with ENOLCK\nunlock any fails with EINVAL"
    assert locks(plan, "posix-lock:1", "posix-wait:1", "posix-test:1", "posix-unlock:1") == [
        "posix-lock:1: EIO",
        "posix-wait:1: EIO",
        "posix-test:1: ENOLCK",
        "posix-unlock:1: EINVAL",
    ]


INTERRUPTED = """
import ctypes, fcntl, os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.siginterrupt(signal.SIGUSR1, True)
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDWR)
os.write(1, b"ready\\n")
sys.stdin.readline()
got = libc.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("ok" if got == 0 else os.strerror(ctypes.get_errno()))
"""


KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.skipif(KERNEL < (5, 19), reason="a signal ends each call that waits for an answer")
def test_a_signal_while_another_call_is_decided(image: Path) -> None:
    """The supervisor stands still, as nobody reads its trace, but it has the call already."""
    trace = image.with_name("trace")
    os.mkfifo(trace)
    reader = os.open(trace, os.O_RDONLY | os.O_NONBLOCK)
    _fill(trace)
    script = """echo up; read x; "$0" -IS "$1" "$2" lock:1 >&2 & exec "$0" -ISc "$3" "$2" """
    words = [sys.executable, LOCKER[-1], str(image), INTERRUPTED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    line = wrap(["sh", "-c", script, *words], (), trace)
    with subprocess.Popen(line, text=True, **pipes) as launched:  # type: ignore[call-overload]
        try:
            _interrupt(launched)
            os.set_blocking(reader, True)
            while os.read(reader, 65536):
                pass
            assert launched.stdout.read() == "ok\n"
        finally:
            launched.kill()
    os.close(reader)


def _interrupt(launched: "subprocess.Popen[str]") -> None:
    """Send a signal to the program as its call is received, and not decided yet."""
    assert launched.stdin
    assert launched.stdout
    assert launched.stdout.readline() == "up\n"
    (supervisor,) = psutil.Process(launched.pid).children()
    (program,) = supervisor.children()
    _until_they_receive(supervisor, 4)
    launched.stdin.write("start\n")
    launched.stdin.flush()
    assert launched.stdout.readline() == "ready\n"
    _until_they_receive(supervisor, 3)  # one has the call of the locker
    launched.stdin.write("go\n")
    launched.stdin.flush()
    _until_they_receive(supervisor, 2)
    program.send_signal(signal.SIGUSR1)


def _fill(fifo: Path) -> None:
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x")
    os.close(writer)


def _until_they_receive(supervisor: psutil.Process, threads: int) -> None:
    """Wait until so many threads wait for a call; the others have one."""
    receives = f" {0xC0502100:#x} "  # SECCOMP_IOCTL_NOTIF_RECV
    until = time.monotonic() + 60
    while True:
        tasks = Path(f"/proc/{supervisor.pid}/task").glob("*/syscall")
        found = sum(receives in task.read_text() for task in tasks)
        if found == threads:
            return
        assert time.monotonic() < until, found
        time.sleep(0.01)
