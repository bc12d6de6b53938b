# SPDX-License-Identifier: GPL-2.0-or-later
"""Files have other paths for others, and the kernel counts them in its own way; and who waits."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from goldlock.inspect.lock_table import table
from goldlock.inspect.open_files import OpenFile, awaited
from goldlock.inspect.process_facts import waiting_tasks
from goldlock.kernel_locks import KernelLock

from tests.conftest import ROOT
from tests.hung_fuse import need_fuse

NAME = Path(sys.executable).name
HUNG_FUSE = ROOT / "tests" / "hung_fuse.py"
APART = ("unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]))
BEGIN = f"""
import fcntl, os, subprocess, sys
sys.path.insert(0, {str(ROOT / ".import")!r})
from goldlock.inspect.file_locks import held
from goldlock.inspect.lock_table import held_by, locks_below, table

def sh(script):
    subprocess.run(["sh", "-ec", script], check=True)

def start(*argv):
    return subprocess.Popen(argv, stdin=-1, stdout=-1, text=True)

def show(path, contenders=0):
    while (said := table(path)).count("contender") < contenders:
        os.sched_yield()
    print("".join(line.partition(" (pid ")[0] + "\\n" for line in said.splitlines()), end="")

"""


def apart(folder: Path, script: str) -> list[str]:
    """Return what a script prints that may mount in *folder*, which no one else sees."""
    line = [*APART, sys.executable, "-c", BEGIN + script]
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("an ordinary user may not mount here")
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_file_of_an_equal_inode_number_on_another_file_system(tmp_path: Path) -> None:
    said = apart(
        tmp_path,
        """
sh("mkdir a b; mount -t tmpfs a a; mount -t tmpfs b b; : >a/f; : >b/f")
assert os.stat("a/f").st_ino == os.stat("b/f").st_ino
file = open("b/f")
fcntl.flock(file, fcntl.LOCK_EX)
waiter = start("flock", "b/f", "true")
show("b", contenders=1)
show("a")
file.close()
waiter.wait()
""",
    )
    assert said == [
        f"f: all bytes, exclusive (flock): {NAME}",
        "f: all bytes, exclusive (flock): flock",
    ]


def test_a_file_that_others_have_by_a_bind_mount(tmp_path: Path) -> None:
    said = apart(
        tmp_path,
        """
sh("mkdir a b; : >a/f; mount --bind a b")
file = open("b/f")
fcntl.flock(file, fcntl.LOCK_EX)
waiter = start("flock", "b/f", "true")
show("a", contenders=1)
file.close()
waiter.wait()
show("a")
""",
    )
    assert said == [
        f"f: all bytes, exclusive (flock): {NAME}",
        "f: all bytes, exclusive (flock): flock",
    ]


def test_a_file_of_that_path_in_another_mount_namespace(tmp_path: Path) -> None:
    said = apart(
        tmp_path,
        """
sh("mkdir a; : >a/f")
hold = "exec 9>$0/f; flock 9; echo ready; read line"
other = start("unshare", "-m", "sh", "-c", f"mount -t tmpfs a a; {hold}", "a")
same = start("unshare", "-m", "sh", "-c", f"mkdir c; mount --bind a c; {hold}", "c")
other.stdout.readline(), same.stdout.readline()
show("a")
same.communicate()
print("then")
show("a")
other.communicate()
""",
    )
    assert said == ["f: all bytes, exclusive (flock): sh", "then"]


def test_a_file_system_whose_device_is_another_one_to_the_kernel(tmp_path: Path) -> None:
    """Of a file that overlayfs has from a lower layer, stat tells the device of that layer."""
    said = apart(
        tmp_path,
        """
sh("mkdir lower upper top; : >lower/f; mount -t tmpfs u upper; mkdir upper/u upper/w")
sh("mount -t overlay o -o lowerdir=lower,upperdir=upper/u,workdir=upper/w,xino=off top")
file = open("top/f")
fcntl.flock(file, fcntl.LOCK_EX)
status = os.fstat(file.fileno())
number = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
print(number in open("/proc/locks").read())
waiter = start("flock", "top/f", "true")
show("top", contenders=1)
file.close()
waiter.wait()
""",
    )
    assert said == [
        "False",
        f"f: all bytes, exclusive (flock): {NAME}",
        "f: all bytes, exclusive (flock): flock",
    ]


def test_a_file_that_others_have_by_a_hard_link(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "b").touch()
    (tmp_path / "other").hardlink_to(tmp_path / "top" / "b")
    (tmp_path / "top" / "a").hardlink_to(tmp_path / "other")
    with (tmp_path / "other").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert table(str(tmp_path / "top")).startswith("a: all bytes, shared (flock): ")
        assert table(str(tmp_path / "top" / "b")).startswith("b: all bytes, shared (flock): ")


def test_who_waits_has_the_file_by_the_name_that_its_holder_has(tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.touch()
    (tmp_path / "a").hardlink_to(file)
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(["flock", file, "true"]):
            while "contender" not in (said := table(str(tmp_path))):
                os.sched_yield()
            fcntl.flock(held, fcntl.LOCK_UN)
    assert [line.partition(":")[0] for line in said.splitlines()] == ["b", "b"]


def test_what_another_user_holds(tmp_path: Path) -> None:
    """The kernel's table tells of it; by whom, but for flock and OFD locks."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Path(folder, "t").open("w+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 7)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 5, 0))
            reader, writer = os.pipe()
            if (pid := os.fork()) == 0:
                file.close()
                os.setuid(65534)
                os.write(writer, table(folder).encode())
                os._exit(0)
            os.close(writer)
            said = os.read(reader, 65536).decode().splitlines()
            os.close(reader)
            os.waitpid(pid, 0)
    assert len(said) == 2
    assert said[0] == "t: bytes 0-4, shared: a process (holder)"
    assert said[1].startswith("t: byte 7, exclusive (POSIX): ")
    assert said[1].endswith(f" (pid {os.getpid()}, holder)")


@pytest.fixture
def _no_sigio() -> Iterator[None]:
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGIO, before)


@pytest.mark.usefixtures("_no_sigio")
def test_a_lease(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.touch()
    with path.open() as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        assert table(str(tmp_path)).startswith("t: all bytes, shared (lease): ")
        opener = subprocess.Popen(["sh", "-c", ": >t"], cwd=tmp_path)
        while "to be given back" not in (said := table(str(tmp_path))):
            os.sched_yield()
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        assert opener.wait() == 0
    assert said.startswith("t: all bytes, to be given back (lease): ")


CONTENDER = """
import fcntl, struct, sys
file = open(sys.argv[1], "r+")
file.seek(7)
def wait(command, kind, whence, start, length):
    fcntl.fcntl(file, command, struct.pack("hhqqi4x", kind, whence, start, length, 0))
eval(sys.argv[2])
"""


def asked_for(pid: int) -> list[tuple[OpenFile, KernelLock]]:
    """Return what a process waits for, as soon as it sleeps."""
    while True:
        with suppress(OSError):
            if found := [told for task in waiting_tasks(pid) if (told := awaited(pid, task))]:
                return found
        os.sched_yield()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("fcntl.flock(file, fcntl.LOCK_SH)", "FLOCK READ 0 None"),
        ("fcntl.flock(file, fcntl.LOCK_EX)", "FLOCK WRITE 0 None"),
        ("wait(fcntl.F_SETLKW, fcntl.F_WRLCK, 1, 1, 0)", "POSIX WRITE 8 None"),
        ("wait(fcntl.F_SETLKW, fcntl.F_RDLCK, 0, 9, -4)", "POSIX READ 5 8"),
        ("wait(fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, 2, -10, 3)", "OFDLCK WRITE 90 92"),
    ],
)
def test_who_waits_is_read_off_the_call(tmp_path: Path, call: str, said: str) -> None:
    """Without the kernel's table, which may be long; it says the same, but for who waits."""
    (tmp_path / "t").write_bytes(bytes(100))
    with (tmp_path / "t").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        line = [sys.executable, "-c", CONTENDER, str(tmp_path / "t"), call]
        waiter = subprocess.Popen(line)
        while f"(pid {waiter.pid}, contender)" not in table(str(tmp_path)):
            os.sched_yield()
        ((opened, lock),) = asked_for(waiter.pid)
        file.close()
        assert waiter.wait() == 0
    kind = "WRITE" if lock.exclusive else "READ"
    assert f"{lock.system} {kind} {lock.first} {lock.last}" == said
    assert (opened.said, lock.waiting) == (str(tmp_path / "t"), True)


HOLDER = """
import fcntl, os, sys
locked, lock = os.pipe()
child = os.fork()
os.close(locked if child else lock)
if not child:
    os.read(locked, 1)
file = os.open(f"{sys.argv[1]}/f", os.O_RDWR)
if child:
    fcntl.flock(file, fcntl.LOCK_EX)
    os.close(lock)
    sys.stdin.read()
else:
    print("ready", flush=True)
    fcntl.flock(file, fcntl.LOCK_EX)
"""


def test_file_systems_whose_servers_do_not_answer(tmp_path: Path) -> None:
    """Who asks them would hang, too: neither a file of them is looked at, nor what is there."""
    need_fuse()
    said = apart(
        tmp_path,
        f"""
import signal
signal.alarm(150)  # should it ask, an answer comes when the servers end
sh("mkdir top top/m elsewhere; : >top/f")
servers = [start(sys.executable, {str(HUNG_FUSE)!r}, point) for point in ("top/m", "elsewhere")]
assert [server.stdout.readline() for server in servers] == ["ready\\n"] * 2
holders = [start(sys.executable, "-c", {HOLDER!r}, at) for at in ("top/m", "elsewhere", "top")]
assert [holder.stdout.readline() for holder in holders] == ["ready\\n"] * 3
for server in servers:
    server.stdin.close()
show("top", contenders=2)
print(sorted(os.path.relpath(lock.path) for lock in locks_below("top")))
for holder in holders:
    print([lock.exclusive for lock in held("top/f", holder.pid)], held_by(holder.pid)[0].bytes())
assert [server.poll() for server in servers] == [None, None]
for server in servers:
    server.kill()
""",
    )
    assert said == [
        *[f"f: all bytes, exclusive (flock): {NAME}"] * 2,
        *[f"m/f: all bytes, exclusive (flock): {NAME}"] * 2,
        "['top/f', 'top/m/f']",
        *["[] all of f"] * 2,
        "[True] all of f",
    ]
