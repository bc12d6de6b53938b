# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for a state: that it comes about, that it cannot any more, and what is said then."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from goldlock.inspect import lock_states, process_facts, states, waiting
from goldlock.inspect.wait import main
from goldlock.lockcalls import TRACE_VARIABLE
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, FileWord, pack
from goldlock.lockcalls.words import quote

from tests.conftest import ROOT

AT_ONCE = 0.01
"""Seconds for what is not so, and will not be."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def holder() -> "Iterator[subprocess.Popen[bytes]]":
    """A process that has byte 5 of f locked, and ends at the end of its input."""
    script = (
        "import fcntl, sys; f = open('f', 'w'); fcntl.lockf(f, fcntl.LOCK_EX, 1, 5);"
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def complaint(state: states.State) -> str:
    return waiting.wait(state, AT_ONCE)


def test_a_lock_that_is_held(holder: "subprocess.Popen[bytes]") -> None:
    assert waiting.wait(lock_states.Locked("f")) == ""
    assert waiting.wait(lock_states.Locked("f", (5, 5), holder.pid, exclusive=True)) == ""
    assert waiting.wait(lock_states.Unlocked("f", (6, None))) == ""
    said = complaint(lock_states.Locked("f", (6, 6)))
    assert said.startswith(
        "waited 0.01 s for byte 6 of f to be locked; its locks are:\n  f: byte 5"
    )
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        assert " to be locked by cat (pid " in complaint(lock_states.Locked("f", by=other.pid))
    assert complaint(lock_states.Unlocked("f", (5, 5), holder.pid))


def test_bytes_that_the_suite_has_names_for(
    holder: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        FileWord("f", 5, 5, "FIVE"),
        FileWord("g", 6, 6, "SIX"),
        FileWord("f", None, None, "P"),
        FileWord("f", 4, None, "REST"),
    ]
    monkeypatch.setenv(LOCKS_VARIABLE, pack(words))
    assert lock_states.span_of("FIVE", "f") == (5, 5)
    assert lock_states.span_of("P", "f", 7) == (7, 7)
    assert main(["--locked", "f", "--byte", "FIVE", "--by", str(holder.pid)]) == 0
    assert main(["--locked", "f", "--byte", "REST"]) == 0  # some of them
    assert complaint(lock_states.Locked("f", lock_states.span_of("REST", "f")))
    with pytest.raises(ValueError, match=r"no bytes of f are called 'SIX'; .* FIVE, P, REST$"):
        lock_states.span_of("SIX", "f")
    with pytest.raises(ValueError, match="P is the pid of who locks it, and nothing says by whom"):
        lock_states.span_of("P", "f")
    monkeypatch.setenv("GOLDLOCK_KIT", "qemu")
    assert lock_states.span_of("uses write", "x") == (101, 101)


def test_the_same_file_by_other_names(holder: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    Path("hard").hardlink_to("f")
    Path("soft").symlink_to(tmp_path / "f")
    for name in ("hard", "soft"):
        assert waiting.wait(lock_states.Locked(name)) == ""
        assert waiting.wait(lock_states.Locked(name, by=holder.pid)) == ""


def test_a_look_takes_no_lock_away() -> None:
    """Who closes a file gives up the POSIX locks that the process has on it."""
    with Path("f").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        for _ in range(2):
            assert waiting.wait(lock_states.Locked("f")) == ""
            assert waiting.wait(lock_states.Locked("f", by=os.getpid())) == ""


SETLKW = "import fcntl, struct; f = open('f', 'w'); fcntl.{}"
TAKES = {
    "flock": "flock(f, fcntl.LOCK_EX)",
    "POSIX": "lockf(f, fcntl.LOCK_EX)",
    "OFD": "fcntl(f, 38, struct.pack('@hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))",
}


@pytest.mark.parametrize("kind", TAKES)
def test_one_that_waits_for_a_lock(kind: str) -> None:
    with Path("f").open("w") as file:
        if kind == "flock":
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            fcntl.lockf(file, fcntl.LOCK_EX)
        command = [sys.executable, "-c", SETLKW.format(TAKES[kind])]
        with subprocess.Popen(command) as waiter:
            assert waiting.wait(lock_states.Blocked(waiter.pid)) == ""
            waiter.kill()
    said = complaint(lock_states.Blocked(waiter.pid))
    assert said.endswith(f" has ended; ? (pid {waiter.pid}) is gone")


@pytest.mark.parametrize(
    ("span", "said"), [((0, None), "all bytes"), ((7, None), "bytes 7 and up"), ((7, 7), "byte 7")]
)
def test_bytes_are_called_as_in_the_table_of_locks(span: lock_states.Span, said: str) -> None:
    assert str(lock_states.Locked("f", span)) == f"{said} of f to be locked"


def test_one_that_waits_for_no_lock(holder: "subprocess.Popen[bytes]") -> None:
    said = complaint(lock_states.Blocked(holder.pid))
    assert f" (pid {holder.pid}) to wait for a lock; " in said


def test_a_file_that_comes_later() -> None:
    def make() -> None:
        Path("a/b").mkdir(parents=True)
        Path("a/b/f").touch()

    state = states.Exists("a/b/f")
    Path("other").touch()
    assert (
        complaint(state)
        == "waited 0.01 s for a/b/f to be there; its folder: No such file or directory"
    )
    thread = threading.Thread(
        target=lambda: (Path("a/b").mkdir(parents=True), Path("a/b/f").touch())
    )
    thread.start()
    assert waiting.wait(state) == ""
    thread.join()
    assert complaint(states.Missing("a/b/f")) == "waited 0.01 s for a/b/f to be gone; it is there"
    said = complaint(states.Exists("x"))
    assert said == "waited 0.01 s for x to be there; beside it are: a other"


def test_a_socket_is_there_once_it_is_listened_on() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert complaint(states.Exists("socket")).endswith(
            "; the socket is there, and nobody listens on it"
        )
        server.listen()
        assert waiting.wait(states.Exists("socket")) == ""


def test_a_line_of_a_log() -> None:
    state = states.Line("ready", "log")
    assert complaint(state).endswith("a line with 'ready' in log; its folder is empty")
    os.mkfifo("fifo")
    assert complaint(states.Line("x", "fifo")).endswith(" in fifo; it is no regular file")
    Path("log").write_text("one\n")
    assert complaint(state).endswith("; its last line is 'one'")
    thread = threading.Thread(target=lambda: Path("log").write_text("one\nnow ready\n"))
    thread.start()
    assert waiting.wait(state) == ""
    assert state.found == "now ready"
    thread.join()


def test_a_process_that_goes() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert " to be gone; it is " in complaint(states.Gone(process.pid))
        assert process.stdin
        process.stdin.close()
        assert waiting.wait(states.Gone(process.pid)) == ""  # its parent has only to take note


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (
            "",
            2,
            "one of --locked, --unlocked, --blocked, --refused, --exists, --missing,",
        ),
        ("--exists f --missing f", 2, "one of --locked"),
        ("--exists f --byte 5", 2, "--byte does not go with --exists"),
        ("--locked f --byte 1x", 2, "--byte takes a number, not '1x'"),
        ("--locked f --byte 9-5", 2, "--byte: 9-5: the last byte is before the first"),
        ("--locked f --byte X", 2, "--byte: no bytes of f are called 'X'; there are: none"),
        ("--gone -1", 2, "--gone takes a number from 0 on, not '-1'"),
        ("--gone 0", 2, "--gone: 0 is no process: they have numbers from 1 to "),
        ("--gone 99999999999", 2, "--gone: 99999999999 is no process"),
        ("--blocked 99999999999", 2, "--blocked: 99999999999 is no process"),
        ("--locked f --by 0", 2, "--by: 0 is no process"),
        ("--gone ²", 2, "--gone takes a number, not '²'"),
        ("--timeout nan --exists f", 2, "--timeout takes a number from 0 on, not 'nan'"),
        ("--line x", 2, "--line wants --of FILE"),
        ("--refused 1", 2, "--refused is for a case with '# needs: faults' in its header"),
        ("--exists", 2, "--exists has no value"),
        ("f", 2, "unknown word 'f'"),
        ("--missing f", 0, ""),
        ("--exists=f --timeout=0", 1, "waited 0 s for f to be there; its folder is empty"),
        ("--unlocked f --byte 0x10-", 0, ""),
    ],
)
def test_the_command(
    words: str, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == status
    said = capsys.readouterr().err
    assert said.startswith(f"goldlock wait: {told}" if told else "")
    assert bool(said) == bool(told)


@pytest.mark.parametrize(
    ("result", "is_refusal"),
    [
        ("EAGAIN", True),
        ("EACCES", True),
        ("EEXIST (created by a (b))", True),
        ("EAGAIN (held by a b)", True),
        ("EAGAIN (held by a)?", True),
        ("EAGAIN (open in a)", True),
        ("EAGAIN (injected)", False),
        ("ENOENT", False),
        ("waits (held by a)", False),
        ("ok", False),
    ],
)
def test_a_call_that_was_refused(
    monkeypatch: pytest.MonkeyPatch, result: str, *, is_refusal: bool
) -> None:
    """As in a trace, whatever is in a name."""
    monkeypatch.setenv(TRACE_VARIABLE, "trace")
    name = quote(process_facts.name(os.getpid()))
    path = "/f" if is_refusal else '"/f: EAGAIN\x0b: EEXIST\u2028"'
    line = f"{name}: lock 5 of {path}, read: {result}"
    Path("trace").write_text(f"{line}\n")
    refused = main(["--refused", str(os.getpid()), "--timeout", str(AT_ONCE)]) == 0
    assert refused == is_refusal


def test_a_wrapped_program_may_take_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting.default_limit() == waiting.LIMIT
    monkeypatch.setenv("GOLDLOCK_WRAPPED", "sqlite3")
    assert waiting.default_limit() == inf
    thread = threading.Thread(target=Path("f").touch)
    thread.start()
    assert main(["--exists", "f"]) == 0
    thread.join()


def test_the_command_is_one_of_goldlock() -> None:
    command = [sys.executable, "-m", "goldlock", "wait", "--missing", "f"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / ".import")}
    assert subprocess.run(command, env=environ, check=False).returncode == 0
