# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that stands for the program: exit status, signals, descriptors, what stays."""

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from goldlock.lockcalls import MISSED, launcher
from goldlock.lockcalls.api import wrap
from goldlock.lockcalls.plan import Fault

from tests.lockcalls.support import LOCKER, Run, gone, watch

PYTHON = [sys.executable, "-I", "-S", "-c"]


@pytest.fixture
def started(_supervisor: None) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Return start(argv, **options of Popen): a supervised program that runs, with pipes."""
    running: list[subprocess.Popen[str]] = []

    def start(argv: list[str], **options: object) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        line = wrap(["sh", "-c", 'echo started; exec "$@"', "sh", *argv])
        launched = subprocess.Popen(line, **{**pipes, **options})  # type: ignore[call-overload]
        running.append(launched)
        assert launched.stdout.readline() == "started\n"
        return launched  # type: ignore[no-any-return]

    yield start
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def supervisor_of(launched: "subprocess.Popen[str]") -> psutil.Process:
    (supervisor,) = psutil.Process(launched.pid).children()
    return supervisor


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_exit_status(supervised: Run, image: Path, status: int) -> None:
    assert supervised([*LOCKER, str(image), f"exit:{status}"]).returncode == status


@pytest.mark.parametrize("end", ["exit:0", "exit:1", "lock:2"])
def test_plan_that_made_no_call_fail(supervised: Run, image: Path, end: str) -> None:
    plan = f"lock 1 of {image} fails with EIO\nlock 2 fails with EIO may miss"
    done = supervised([*LOCKER, str(image), end], plan)
    assert done.returncode == MISSED
    assert done.stderr == (
        f"goldlock faults: lock 1 of {image} fails with EIO: no call failed; of such calls there "
        'were none; write "may miss" behind it if that is in order\n'
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE])
def test_death_by_signal(supervised: Run, number: int) -> None:
    assert supervised(["sh", "-c", f"kill -{number} $$"]).returncode == -number


def test_program_that_cannot_run(supervised: Run, tmp_path: Path) -> None:
    done = supervised(["no-such-program"])
    assert done.returncode == launcher.NOT_FOUND
    assert done.stderr == "goldlock faults: cannot run no-such-program: No such file or directory\n"
    done = supervised([str(tmp_path)])
    assert done.returncode == launcher.NOT_EXECUTABLE
    assert done.stderr == f"goldlock faults: cannot run {tmp_path}: Permission denied\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signal_is_handed_on(started: Callable[..., "subprocess.Popen[str]"], number: int) -> None:
    code = (
        f"import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [{number:d}])\n"
        f"os.write(1, b'ready\\n'); os._exit(signal.sigwait([{number:d}]))"
    )
    launched = started([*PYTHON, code])
    assert launched.stdout
    assert launched.stdout.readline() == "ready\n"
    os.kill(launched.pid, number)
    assert launched.wait() == number


def test_signal_that_kills(started: Callable[..., "subprocess.Popen[str]"]) -> None:
    launched = started(["cat"])
    supervisor = supervisor_of(launched)
    launched.terminate()
    assert launched.wait() == -signal.SIGTERM
    assert not supervisor.is_running()


def test_ignored_signal_stays_ignored(supervised: Run) -> None:
    # By an absolute path, as wrap()'s: Python 3.13 starts those by posix_spawn, whose child ignores
    # two signals of glibc.
    shell = ["/bin/sh", "-c"]
    show = "grep SigIgn /proc/self/status"
    bare = subprocess.run([*shell, show], capture_output=True, text=True, check=True).stdout
    assert supervised([*shell, show]).stdout == bare
    nohup = wrap([*shell, show])
    quoted = " ".join(f"'{word}'" for word in nohup)
    done = subprocess.run(
        [*shell, f"trap '' HUP; exec {quoted}"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[1], 16) == int(bare.split()[1], 16) | 1


def test_killing_the_launcher_kills_the_program(
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    launched = started(["cat"])
    supervisor = supervisor_of(launched)
    assert launched.stdin
    assert launched.stdout
    launched.stdin.write("x\n")
    launched.stdin.flush()
    assert launched.stdout.readline() == "x\n"
    (program,) = supervisor.children()
    ends = [watch(program.pid), watch(supervisor.pid)]
    launched.kill()
    launched.wait()
    for end in ends:
        gone(end)


def test_program_ends_with_its_supervisor(started: Callable[..., "subprocess.Popen[str]"]) -> None:
    launched = started(["cat"])
    supervisor = supervisor_of(launched)
    (program,) = supervisor.children()
    end = watch(program.pid)
    supervisor.kill()
    assert launched.wait() == launcher.BROKEN
    gone(end)


def test_all_end_with_their_supervisor(
    started: Callable[..., "subprocess.Popen[str]"], image: Path
) -> None:
    """Also those that the program has started, and a daemon: their lock calls could but fail."""
    # A shell gives what is in the background /dev/null to read: all of these wait for our pipe.
    inner = "cat <&3 & echo; exec cat <&3"
    script = f'exec 3<&0; "$@" {image} daemon input <&3 & sh -c "{inner}" & exec cat'
    launched = started(["sh", "-c", script, "sh", *LOCKER], stderr=subprocess.PIPE)
    supervisor = supervisor_of(launched)
    assert launched.stdout
    assert launched.stdout.readline() == "\n"
    ends = [watch(process.pid) for process in supervisor.children(recursive=True)]
    assert len(ends) >= 3
    supervisor.kill()
    assert launched.wait() == launcher.BROKEN
    for end in ends:
        gone(end)
    assert launched.stderr
    said = "goldlock faults: the supervisor was killed, and so are its programs\n"
    assert launched.stderr.read() == said
    launched.stderr.close()


def test_a_supervisor_that_is_stopped_goes_on(
    started: Callable[..., "subprocess.Popen[str]"], image: Path
) -> None:
    launched = started([*LOCKER, str(image), "input", "lock:1"], stderr=subprocess.PIPE)
    supervisor_of(launched).send_signal(signal.SIGSTOP)
    assert launched.stderr
    said = launched.stderr.readline()
    assert said == "goldlock faults: the supervisor was stopped; it goes on\n"
    out, _ = launched.communicate("\n", timeout=30)
    assert (out, launched.returncode) == ("lock:1: ok\n", 0)


def test_a_supervisor_that_ends_as_it_is_looked_at() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        launcher._keep_going(ended.pid)  # no error: its end is told next


def test_a_launcher_that_is_stopped_ends_with_its_program(
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    launched = started(["sh", "-c", "read x; exit 3"])
    os.kill(launched.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, launched.pid, os.WSTOPPED | os.WNOWAIT)
    assert launched.stdin
    launched.stdin.close()
    assert launched.wait(30) == 3


def test_killing_the_group_spares_only_daemons(
    started: Callable[..., "subprocess.Popen[str]"], image: Path
) -> None:
    locker = f'"$@" {image} daemon lock:1 input lock:2 <&3 &'
    script = f"exec 3<&0; {locker} exec sleep 60"  # which does not see the end of its input
    launched = started(["sh", "-c", script, "sh", *LOCKER], start_new_session=True)
    assert launched.stdin
    assert launched.stdout
    assert launched.stdout.readline() == "lock:1: ok\n"
    end = watch(supervisor_of(launched).pid)
    os.killpg(launched.pid, signal.SIGKILL)
    assert launched.wait() == -signal.SIGKILL
    launched.stdin.close()
    assert launched.stdout.readline() == "lock:2: ok\n"  # the daemon is served on
    gone(end)


def test_standard_streams_pass_through(supervised: Run) -> None:
    done = supervised(["sh", "-c", "cat; echo error >&2"], input="in\n")
    assert (done.stdout, done.stderr) == ("in\n", "error\n")


def test_readers_see_the_end_when_the_program_closes(
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    launched = started([*PYTHON, "import os; os.write(1, b'x'); os.close(1); os.read(0, 1)"])
    assert launched.stdout
    assert launched.stdout.read() == "x"  # an end, though the program goes on
    assert launched.poll() is None


@pytest.mark.usefixtures("_supervisor")
def test_other_descriptors_pass_through_and_are_let_go() -> None:
    reader, writer = os.pipe()
    code = f"import os; os.write({writer}, b'x'); os.close({writer}); os.read(0, 1)"
    with subprocess.Popen(
        wrap([*PYTHON, code]), stdin=subprocess.PIPE, pass_fds=[writer]
    ) as launched:
        os.close(writer)
        assert os.read(reader, 2) == b"x"
        assert os.read(reader, 2) == b""
        assert launched.poll() is None
        assert launched.stdin
        launched.stdin.close()
    os.close(reader)


def test_daemon_is_served_after_the_program_ended(
    started: Callable[..., "subprocess.Popen[str]"], image: Path
) -> None:
    launched = started([*LOCKER, str(image), "daemon", "input", "lock:1", "test:1"])
    supervisor = supervisor_of(launched)
    assert launched.wait() == 0  # while the daemon lives
    (daemon,) = supervisor.children()
    ends = [watch(daemon.pid), watch(supervisor.pid)]
    assert launched.stdin
    assert launched.stdout
    launched.stdin.close()
    assert launched.stdout.read() == "lock:1: ok\ntest:1: none 0 1 1 0\n"
    for end in ends:
        gone(end)


def test_nothing_is_left_when_the_launcher_ends(
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    for _ in range(10):
        launched = started(["sh", "-c", "read x"])
        supervisor = supervisor_of(launched)
        assert launched.stdin
        launched.stdin.close()
        launched.wait()
        assert not supervisor.is_running()


def test_environment_and_directory(supervised: Run, tmp_path: Path) -> None:
    done = supervised(["sh", "-c", "pwd; echo $X"], cwd=tmp_path, env={**os.environ, "X": "y"})
    assert done.stdout == f"{tmp_path}\ny\n"


@pytest.mark.usefixtures("_supervisor")
def test_terminal_is_the_programs() -> None:
    """Control-C reaches the program, once: the kernel sends it to the whole group."""
    front_side, program_side = os.openpty()
    code = (
        "import signal, os\n"
        "caught = []\n"
        "signal.signal(signal.SIGINT, lambda *_: caught.append(os.write(1, b'caught ')))\n"
        "os.write(1, b'ready ')\n"
        "while not caught: signal.sigtimedwait([], 0.2)\n"
        "signal.sigtimedwait([], 0.2)\n"  # a second one would come at once
    )
    pid = os.fork()
    if pid == 0:
        os.login_tty(program_side)
        line = wrap([*PYTHON, code])
        os.execv(line[0], line)
    os.close(program_side)
    seen = b""
    while chunk := _read_terminal(front_side):
        seen += chunk
        if chunk.endswith(b"ready "):
            os.write(front_side, b"\x03")
    os.close(front_side)
    assert os.waitpid(pid, 0)[1] == 0
    assert seen.count(b"caught") == 1


def _read_terminal(fd: int) -> bytes:
    try:
        return os.read(fd, 100) if select.select([fd], [], [], 10)[0] else b""
    except OSError:  # how a terminal says that nobody is at the other side
        return b""


@pytest.mark.usefixtures("_supervisor")
def test_ordinary_user(image: Path) -> None:
    """Without any right: no capability, no ptrace, no_new_privs."""
    if os.getuid() != 0:
        pytest.skip("all tests run as an ordinary user")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    python, script = "/usr/bin/python3", wrap([])[3]
    enter = subprocess.run([python, "-c", f"open({script!r})"], check=False, **nobody)  # type: ignore[call-overload]
    if enter.returncode != 0:
        pytest.skip("the interpreter or the checkout is closed to other users")
    code = (
        "import fcntl, os, struct\n"
        "try: fcntl.fcntl(0, fcntl.F_OFD_SETLK, struct.pack('@hhqqi4x', 0, 0, 100, 1, 0))\n"
        "except OSError as error: print(os.getuid(), error.strerror)\n"
    )
    line = wrap([python, "-c", code], [Fault("lock", errno.ENOLCK, 100)])
    with image.open("r+b") as stdin:
        done = subprocess.run(
            [python, *line[1:]], stdin=stdin, capture_output=True, text=True, check=True, **nobody
        )  # type: ignore[call-overload]
    assert done.stdout == "65534 No locks available\n"


def test_unavailable_under_a_supervisor_that_cannot_be_reached(supervised: Run) -> None:
    inner = wrap(["true"])
    done = supervised(["env", "-u", "GOLDLOCK_FAULTS", *inner])
    assert done.returncode == launcher.UNAVAILABLE
    assert done.stderr == "goldlock faults: seccomp: a supervisor is at work already\n"


@pytest.mark.usefixtures("_supervisor")
def test_start_up_loads_little() -> None:
    """The programs may live 10 ms: nothing is loaded that takes as long."""
    python, *words = wrap(["true"])
    line = [python, "-X", "importtime", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"goldlock.lockcalls.launcher", "goldlock.lockcalls.loop", "ctypes"} <= loaded
    slow = {"pathlib", "typing", "re", "dataclasses", "threading", "subprocess", "multiprocessing"}
    assert not slow & loaded
