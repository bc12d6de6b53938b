# SPDX-License-Identifier: GPL-2.0-or-later
"""The trace as a golden would hold it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls.api import wrap
from goldlock.lockcalls.words import KIT_VARIABLE

from tests.lockcalls.support import LOCKER, Run

Locks = Callable[..., list[str]]
Traced = Callable[[], list[str]]


def test_lines(locks: Locks, traced: Traced) -> None:
    plan = "lock 102 fails with ENOLCK\ntest 203 fails with EIO"
    locks(plan, "probe", "lock:100", "write:101", "lock:102", "test:200", "test:203", "unlock:100")
    assert traced() == [
        "locker.py: probe of /dev/null, write: free",
        "locker.py: lock 100 of TEST_DIR/t.raw, read: ok",
        "locker.py: lock 101 of TEST_DIR/t.raw, write: ok",
        "locker.py: lock 102 of TEST_DIR/t.raw, read: ENOLCK (injected)",
        "locker.py: test 200 of TEST_DIR/t.raw, write: free",
        "locker.py: test 203 of TEST_DIR/t.raw, write: EIO (injected)",
        "locker.py: unlock 100 of TEST_DIR/t.raw: ok",
    ]


def test_words_of_a_kit(monkeypatch: pytest.MonkeyPatch, locks: Locks, traced: Traced) -> None:
    monkeypatch.setenv(KIT_VARIABLE, "qemu")
    locks("lock uses write fails with EIO", "lock:101", "test:200", "lock:7", "lock:100-103")
    assert traced() == [
        "locker.py: lock 101 (uses write) of TEST_DIR/t.raw, read: EIO (injected)",
        "locker.py: test 200 (unshares consistent read) of TEST_DIR/t.raw, write: free",
        "locker.py: lock 7 of TEST_DIR/t.raw, read: ok",
        "locker.py: lock 100-103 of TEST_DIR/t.raw, read: EIO (injected)",
    ]


def test_ranges_and_posix_and_waiting(locks: Locks, traced: Traced) -> None:
    locks("", "lock:90-100", "lock", "unlock", "posix-lock:100", "posix-test:7", "wait:9")
    assert traced() == [
        "locker.py: lock 90-100 of TEST_DIR/t.raw, read: ok",
        "locker.py: lock all of TEST_DIR/t.raw, read: ok",
        "locker.py: unlock all of TEST_DIR/t.raw: ok",
        "locker.py: lock 100 of TEST_DIR/t.raw, read posix: ok",
        "locker.py: test 7 of TEST_DIR/t.raw, write posix: free",
        "locker.py: wait 9 of TEST_DIR/t.raw, write waiting: ok".replace("wait 9", "lock 9"),
    ]


def test_conflict_names_the_holder(supervised: Run, image: Path, traced: Traced) -> None:
    holder = image.with_name("holder")
    holder.symlink_to(LOCKER[-1])
    script = (
        f"mkfifo go; {LOCKER[0]} -I -S holder {image} lock:100 input <go | "
        f"{{ read x; {' '.join(LOCKER)} {image} test:100 write:100 >&2; }} >go"
    )
    supervised(["sh", "-c", script], cwd=image.parent)
    assert traced() == [
        "holder: lock 100 of TEST_DIR/t.raw, read: ok",
        "locker.py: test 100 of TEST_DIR/t.raw, write: held by holder",
        "locker.py: lock 100 of TEST_DIR/t.raw, write: EAGAIN (held by holder)",
    ]


HOLDERS = """
import fcntl, os, struct, sys
FAR = 100  # equal in both
def become(name):
    with open("/proc/self/comm", "w") as file: file.write(name)
def lock():
    if sys.argv[2] == "flock": fcntl.flock(FAR, fcntl.LOCK_SH)
    else: fcntl.lockf(FAR, fcntl.LOCK_SH)
def start(name):
    if (child := os.fork()):
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    become(name)
def open_far():
    fd = os.open(sys.argv[1], os.O_RDWR)
    os.dup2(fd, FAR)
    os.close(fd)
become("one")
open_far()
lock()
start("two")
if sys.argv[2] == "flock": open_far()  # else it is the lock that is another
lock()
start("three")  # which has the second's open file, and asks for a lock by another
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    if sys.argv[2] == "flock": fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else: fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
except BlockingIOError: print("refused")
"""


@pytest.mark.parametrize("kind", ["flock", "POSIX"])
def test_all_who_hold_it_are_named(supervised: Run, image: Path, traced: Traced, kind: str) -> None:
    """Of parent and child, too, with equal descriptors, each of whom has taken a lock."""
    done = supervised([sys.executable, "-c", HOLDERS, str(image), kind])
    assert (done.stdout, done.stderr) == ("refused\n", "")
    assert traced()[-1].endswith(": EAGAIN (held by one two)")


GIVES_UP = """
import fcntl, os, signal, struct, sys
OFD = sys.argv[2] == "OFD"
def lock(first, length, kind=fcntl.F_WRLCK):
    told = struct.pack("@hhqqi4x", kind, 0, first, length, 0)
    fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if OFD else fcntl.F_SETLKW, told)
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGUSR1, stop)
fd = os.open(sys.argv[1], os.O_RDWR)
lock(0, 1)
ours, theirs = os.pipe()
parent, end = os.getpid(), os.pipe()
if not os.fork():
    os.close(end[1])
    fd = os.open(sys.argv[1], os.O_RDWR)
    lock(5, 1)
    os.write(theirs, b"x")
    while b": waits" not in open(os.environ["GOLDLOCK_LOCK_TRACE"], "rb").read(): pass
    os.kill(parent, signal.SIGUSR1)
    os.read(end[0], 1)
    os._exit(0)
os.read(ours, 1)
try: lock(0, 10)
except Stop: print("stopped")
lock(0, 1, fcntl.F_UNLCK)
"""


@pytest.mark.parametrize("kind", ["OFD", "POSIX"])
def test_who_has_a_part_of_what_it_waits_for_has_not_got_it(
    supervised: Run, image: Path, traced: Traced, kind: str
) -> None:
    done = supervised([sys.executable, "-c", GIVES_UP, str(image), kind])
    assert (done.stdout, done.stderr) == ("stopped\n", "")
    results = [line.rpartition(": ")[2].partition(" (")[0] for line in traced()]
    assert results == ["ok", "ok", "waits", "gave up", "ok"]


@pytest.mark.usefixtures("_supervisor")
def test_waiting_call_waits_in_the_program(image: Path) -> None:
    """It must be the program that waits: the supervisor goes on serving the one waited for."""
    locker = " ".join(LOCKER)
    waits = f"grep -q -e '->.*OFD.*:{image.stat().st_ino} ' /proc/locks"  # no event tells it
    script = (
        f"mkfifo go in; exec 3<>go 4<>in; {locker} {image} lock:100 input unlock:100 <&3 | "
        f"(read x; {locker} {image} wait:100 input <in & until {waits}; do :; done; echo >&3;"
        f" until [ $(grep -c ': ok$' trace) = 3 ]; do :; done; echo >in; wait)"
    )
    line = wrap(["sh", "-c", script], trace=image.with_name("trace"))
    done = subprocess.run(
        line, cwd=image.parent, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "wait:100: ok\n"
    results = [
        line.rpartition(": ")[2] for line in image.with_name("trace").read_text().splitlines()
    ]
    assert results == ["ok", "waits (held by locker.py)", "ok", "ok"]


def test_names(supervised: Run, image: Path, traced: Traced) -> None:
    image.with_name("locker").symlink_to(LOCKER[-1])
    image.with_name("lock er").symlink_to(LOCKER[-1])
    direct = image.with_name("a-program-with-a-long-name")
    direct.write_text(f"#!{sys.executable} -IS\n{Path(LOCKER[-1]).read_text()}")
    direct.chmod(0o755)
    arguments = f"{image} lock:1"
    python = f"{sys.executable} -I -S"
    script = f"""
{python} -X utf8 locker {arguments}
{python} 'lock er' {arguments}
PYTHONPATH={Path(LOCKER[-1]).parent} {sys.executable} -m locker {arguments}
{sys.executable} -c "$(cat {LOCKER[-1]})" {arguments}
{direct} {arguments}
{python} locker {image} fork name:played lock:1
"""
    supervised(["sh", "-c", script], cwd=image.parent)
    names = [line.partition(": ")[0] for line in traced()]
    assert names == [
        "locker",
        '"lock er"',
        "locker",
        Path(sys.executable).name,
        direct.name,
        "played",
    ]


def test_odd_files_and_calls(supervised: Run, image: Path, traced: Traced) -> None:
    odd = image.with_name('a "b"\n.raw')
    odd.write_bytes(b"")
    supervised([*LOCKER, str(odd), "lock:1"])
    assert traced() == [r'locker.py: lock 1 of "TEST_DIR/a \"b\"\n.raw", read: ok']
    code = (
        "import fcntl, os, struct\n"
        f"fd = os.open({str(image)!r}, os.O_RDWR); os.unlink({str(image)!r})\n"
        "def call(fd, kind):\n"
        "    try: fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack('@hhqqi4x', kind, 0, 1, 1, 0))\n"
        "    except OSError as error: print(error.errno)\n"
        "call(fd, 0); call(99, 0); call(fd, 77)\n"
    )
    done = supervised([sys.executable, "-c", code])
    name = Path(sys.executable).name
    assert done.stdout == "9\n22\n"
    assert traced() == [
        f'{name}: lock 1 of "TEST_DIR/t.raw (deleted)", read: ok',
        f"{name}: lock call that cannot be read (EBADF): unseen",
        f"{name}: lock call that cannot be read (not a lock type): unseen",
    ]


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize(
    ("limit", "trace", "why"),
    [("", "/dev/full", "No space left on device"), ("ulimit -f 1;", "trace", "File too large")],
)
def test_trace_that_cannot_be_written(
    image: Path, tmp_path: Path, limit: str, trace: str, why: str
) -> None:
    """Its programs have no part in that; it is told in a line, also in the middle."""
    path = tmp_path / trace
    line = wrap([*LOCKER, str(image), *["lock:1"] * 50], trace=path)
    done = subprocess.run(
        ["sh", "-c", f'{limit} exec "$@"', "sh", *line],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"goldlock faults: cannot write the trace {path}: {why}\n"
    assert done.stdout.split() == ["lock:1:", "ok"] * 50
    assert path.is_char_device() or path.read_text().startswith("locker.py: lock 1 of ")
