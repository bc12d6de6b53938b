# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lockcalls.support import LOCKER

COMMAND = [sys.executable, "-m", "goldlock.lockcalls"]


def command(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no program: expected [PLAN ...] -- PROGRAM [ARGUMENT ...]"),
        (["--"], "no program: expected [PLAN ...] -- PROGRAM [ARGUMENT ...]"),
        (["--trace", "--", "true"], "--trace: expected a value"),
        (["--loud", "--", "true"], "--loud: no such option"),
        (
            ["lok 1", "--", "true"],
            "plan:1:1: lok: expected a call: lock, unlock, test, probe, flock, lease, ",
        ),
        (["--trace=", "--", "true"], "--trace: expected a value"),
        (["@", "--", "true"], "@: expected the name of a file after it"),
        (["@/no/file", "--", "true"], "/no/file: No such file or directory"),
        (["--trace=/no/file", "--", "true"], "/no/file: No such file or directory"),
        (["--trace", "-", "--", "true"], "--trace -: takes a file; standard output is the program"),
        (["--kit", "nokit", "--", "true"], "--kit nokit: no kit has the name nokit"),
    ],
)
def test_usage(words: list[str], message: str) -> None:
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"goldlock faults: {message}")
    assert done.stderr.count("\n") == 1


def test_request_without_a_supervisor() -> None:
    done = command("--clear", "1", GOLDLOCK_FAULTS="")
    assert done.returncode == 77
    assert done.stderr.startswith("goldlock faults: not under a fault supervisor")


def test_help() -> None:
    done = command("--help")
    assert done.returncode == 0
    assert "goldlock faults [PLAN ...] [--trace FILE] [--files] --" in done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_check() -> None:
    done = command("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "faults can be injected here\n", "")


@pytest.mark.usefixtures("_supervisor")
def test_plan_from_argument_file_and_environment(image: Path) -> None:
    file = image.with_name("plan")
    file.write_text("# two\nlock 2 fails with EIO\n")
    trace = image.with_name("trace")
    done = command(
        *("lock 1 fails with EIO", f"@{file}", "--plan=lock 3 fails with EIO"),
        *("--trace", str(trace), "--", *LOCKER, str(image), "lock:1", "lock:2", "lock:3", "lock:4"),
        *("lock:5",),
        GOLDLOCK_FAULT_PLAN="lock 4 fails with EIO",
    )
    assert done.stdout.split()[1::2] == ["EIO", "EIO", "EIO", "EIO", "ok"]
    assert len(trace.read_text().splitlines()) == 5
    done = command("--", "env", GOLDLOCK_FAULT_PLAN="lock 4 fails with EIO")
    assert "GOLDLOCK_FAULT_PLAN" not in done.stdout
    file.write_bytes(b"\xef\xbb\xbflock 2 fails with EIO\r\n")  # as some editors write it
    done = command(f"@{file}", "--", *LOCKER, str(image), "lock:2")
    assert done.stdout == "lock:2: EIO\n"
    file.write_text("\nlock 2 fails\n")
    done = command(f"@{file}", "--", "true")
    assert (
        done.stderr == f'goldlock faults: {file}:2:13: end of line: expected "with" and an errno\n'
    )
    done = command("--", "true", GOLDLOCK_FAULT_PLAN="x")
    assert done.stderr.startswith("goldlock faults: GOLDLOCK_FAULT_PLAN:1:1: x: expected a call")


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize(
    ("closed", "still_open"),
    [("0<&-", "12"), ("1>&-", "02"), ("2>&-", "01"), ("0<&- 1>&- 2>&-", "")],
)
def test_closed_standard_streams_stay_closed(image: Path, closed: str, still_open: str) -> None:
    """No descriptor of ours takes their place: faults work, and the program has none of them."""
    seen, trace = image.with_name("seen"), image.with_name("trace")
    look = 'for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && has=$has$fd; done; echo "$has" > '
    lock = " ".join([";", *LOCKER, str(image), "lock:1; exit 5"])
    words = ["lock 1 fails with EIO", "--trace", trace, "--", "sh", "-c", f"{look}{seen} {lock}"]
    line = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, *words]
    assert subprocess.run(line, check=False, timeout=120).returncode == 5
    assert seen.read_text() == f"{still_open}\n"
    assert trace.read_text().endswith(": EIO (injected)\n")


def test_help_that_cannot_be_written() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    message = "goldlock faults: standard output: No space left on device\n"
    assert (done.returncode, done.stderr.decode()) == (2, message)


@pytest.mark.usefixtures("_supervisor")
def test_program_without_a_name() -> None:
    done = command("--", "")
    assert done.returncode == 127
    assert done.stderr == "goldlock faults: cannot run a program without a name\n"
