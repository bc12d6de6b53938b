# SPDX-License-Identifier: GPL-2.0-or-later
"""When a program is at rest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from goldlock.orders.rest import Restfulness

SPIN = "print(flush=True)\nwhile True: pass"
BESIDE = f"import threading; threading.Thread(target=exec, args=[{SPIN!r}]).start(); input()"
TO_AND_FRO = """
import os, threading
def pass_on(here, there):
    while True: os.write(there[1], os.read(here[0], 1))
one, other = os.pipe(), os.pipe()
threading.Thread(target=pass_on, args=[one, other]).start()
os.write(one[1], b" ")
print(flush=True)
pass_on(other, one)
"""
"""Two threads that wake each other: each is asleep half of the time, but not both."""
LIMIT = 60


@contextmanager
def running(*argv: str) -> Iterator[tuple[Restfulness, "subprocess.Popen[bytes]"]]:
    """Run a program below another one; yield what is known of it, and that one."""
    with subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; exit', "sh", *argv],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    ) as starter, closing(Restfulness(starter.pid)) as rest:  # fmt: skip
        try:
            yield rest, starter
        finally:
            os.killpg(starter.pid, signal.SIGKILL)


def looks(rest: Restfulness) -> Iterator[bool]:
    """Look again and again, as long as that may take."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        yield rest.is_at_rest(())


def test_who_waits_for_input_is_at_rest_until_it_comes() -> None:
    with running("sh", "-c", "read line; while :; do :; done") as (rest, starter):
        assert any(rest.processes and each for each in looks(rest))
        assert starter.stdin
        os.write(starter.stdin.fileno(), b"\n")
        assert any(not each for each in looks(rest))
        assert not any(rest.is_at_rest(()) for _ in range(100))


@pytest.mark.parametrize("program", [SPIN, BESIDE, TO_AND_FRO])
def test_who_runs_is_not_at_rest(program: str) -> None:
    with running(sys.executable, "-c", program) as (rest, starter):
        assert starter.stdout
        assert starter.stdout.read(1)
        assert not any(rest.is_at_rest(()) for _ in range(20_000))
        assert not rest.has_alarm


PYTHON = (sys.executable, "-I", "-S", "-c")


@pytest.mark.parametrize(
    "argv",
    [
        ("sleep", "1000"),
        (*PYTHON, "import select; select.select([], [], [], 1000)"),
        (*PYTHON, "import select; select.poll().poll(1000000)"),
    ],
)
def test_who_sleeps_for_a_time_is_not_at_rest(argv: tuple[str, ...]) -> None:
    with running(*argv) as (rest, _):
        assert any(rest.has_alarm or each for each in looks(rest) if rest.processes)
        assert rest.has_alarm
        assert not rest.is_at_rest(())


def test_who_waits_for_files_or_for_ever_is_at_rest() -> None:
    with running(*PYTHON, "import select; select.select([0], [], [], 1000)") as (rest, _):
        assert any(rest.processes and each for each in looks(rest))
    with running(*PYTHON, "import select; select.poll().poll()") as (rest, _):
        assert any(rest.processes and each for each in looks(rest))
