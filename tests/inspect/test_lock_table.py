# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of locks: who holds what, in words; and the locks of one process."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from goldlock.inspect.lock_table import Held, Lock, Watch, held_by, locks_below, table
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, FileWord, pack
from goldlock.lockcalls.words import KIT_VARIABLE

from tests.conftest import ROOT, MakeSuite, RunTests


def ofd_lock(file: int, first: int, length: int = 1, kind: int = fcntl.F_RDLCK) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, 0, first, length, 0))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "t.qcow2"
    path.write_bytes(bytes(512))
    return path


@pytest.fixture
def _qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KIT_VARIABLE, "qemu")


def mine(path: Path) -> list[Held]:
    return [held for held in held_by(os.getpid()) if held.path == str(path)]


def words(text: str) -> list[str]:
    """Return what is locked, without who holds it."""
    return [line.rpartition(": ")[0] for line in text.splitlines()]


@pytest.fixture
def sleeper(tmp_path: Path) -> "Iterator[Sleeper]":
    started = Sleeper(tmp_path)
    yield started
    started.end()


class Sleeper:
    """Starts scripts that say ``ready`` and stay until the end of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *argv: str) -> int:
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, cwd=self.folder, stdin=pipe, stdout=pipe, text=True)
        self._started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process.pid

    def end(self) -> None:
        for process in self._started:
            process.communicate()
            process.wait()


@pytest.mark.usefixtures("_qemu")
def test_the_locks_of_a_writer_in_words(image: Path) -> None:
    with image.open("r+b") as file:
        for byte in (100, 101, 103, 201, 203):
            ofd_lock(file.fileno(), byte)
        (held,) = mine(image)
        assert held.bytes() == "bytes 100-101 103 201 203 of t.qcow2"
        assert words(table(str(image.parent))) == [
            "t.qcow2: byte 100, it may read consistently",
            "t.qcow2: byte 101, it may write",
            "t.qcow2: byte 103, it may resize",
            "t.qcow2: byte 201, nobody else may write",
            "t.qcow2: byte 203, nobody else may resize",
        ]
    assert mine(image) == []
    assert table(str(image.parent)) == ""


@pytest.mark.parametrize(
    ("lock", "said", "listed"),
    [
        ((7, 1, fcntl.F_WRLCK), "byte 7, exclusive", "byte 7 of t.qcow2"),
        ((7, 1, fcntl.F_RDLCK), "byte 7, shared", "byte 7 of t.qcow2"),
        ((101, 1, fcntl.F_WRLCK), "byte 101, exclusive", "byte 101 of t.qcow2"),
        ((99, 3, fcntl.F_RDLCK), "bytes 99-101, shared", "bytes 99-101 of t.qcow2"),
        ((200, 0, fcntl.F_RDLCK), "bytes 200 and up, shared", "bytes 200- of t.qcow2"),
        ((0, 0, fcntl.F_WRLCK), "all bytes, exclusive", "all of t.qcow2"),
    ],
)
def test_locks_without_a_kit(
    image: Path, lock: tuple[int, int, int], said: str, listed: str
) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), *lock)
        (held,) = mine(image)
        assert held.bytes() == listed
        assert words(table(str(image.parent))) == [f"t.qcow2: {said}"]


@pytest.mark.usefixtures("_qemu")
def test_words_of_a_kit_and_locks_that_it_has_no_words_for(image: Path) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 99, 2)
        ofd_lock(file.fileno(), 101, 1, fcntl.F_WRLCK)
        ofd_lock(file.fileno(), 200, 3)
        assert words(table(str(image.parent))) == [
            "t.qcow2: bytes 99-100, shared",
            "t.qcow2: byte 101, it may write, exclusive",
            "t.qcow2: byte 200, nobody else may read consistently",
            "t.qcow2: byte 201, nobody else may write",
            "t.qcow2: byte 202, nobody else may write what is there already",
        ]


NO_PID = 2**22 + 1
"""More than any process has."""


def test_words_that_a_suite_has_for_some_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = [
        FileWord("*.db", 10, 10, "PENDING"),
        FileWord("*.db", 11, 20, "SHARED"),
        FileWord("*.mdb", None, None, "READER"),
    ]
    monkeypatch.setenv(LOCKS_VARIABLE, pack(declared))
    pid = os.getpid()
    with (
        (tmp_path / "t.db").open("w+") as file,
        (tmp_path / "t.mdb").open("w+") as other,
    ):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 10)
        fcntl.lockf(file, fcntl.LOCK_SH, 10, 11)
        ofd_lock(file.fileno(), 100)
        fcntl.lockf(other, fcntl.LOCK_EX, 1, pid)
        fcntl.lockf(other, fcntl.LOCK_SH, 1, NO_PID)
        assert words(table(str(tmp_path))) == [
            "t.db: byte 10, PENDING, exclusive (POSIX)",
            "t.db: bytes 11-20, SHARED, shared (POSIX)",
            "t.db: byte 100, shared",
            f"t.mdb: byte {NO_PID}, shared (POSIX)",
            "t.mdb: the byte of its pid, READER, exclusive (POSIX)",
        ]


def test_bytes_that_are_pids_are_in_the_order_of_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: Sleeper
) -> None:
    monkeypatch.setenv(LOCKS_VARIABLE, pack([FileWord("*.mdb", None, None, "READER")]))
    (tmp_path / "t.mdb").touch()
    script = (
        "import fcntl, os, sys; f = open('t.mdb', 'r+')\n"
        "open('/proc/self/comm', 'w').write(sys.argv[1])\n"
        "fcntl.lockf(f, fcntl.LOCK_EX, 1, os.getpid()); print('ready', flush=True); input()"
    )
    names = ["c", "a", "b"]
    pids = {name: sleeper.start(sys.executable, "-c", script, name) for name in names}
    line = "t.mdb: the byte of its pid, READER, exclusive (POSIX): {0} (pid {1}, holder)"
    expected = [line.format(name, pids[name]) for name in sorted(names)]
    assert table(str(tmp_path)).splitlines() == expected


def test_one_file(image: Path) -> None:
    (image.parent / "other").touch()
    with image.open("r+b") as file, (image.parent / "other").open() as other:
        ofd_lock(file.fileno(), 101)
        fcntl.flock(other, fcntl.LOCK_SH)
        assert words(table(str(image))) == ["t.qcow2: byte 101, shared"]
        image.rename(image.parent / "moved")
        image.touch()
        assert table(str(image)) == ""
        (image.parent / "moved").unlink()
    with pytest.raises(FileNotFoundError):
        table(str(image.parent / "moved"))


NAMED = """\
#!{python}
import fcntl, sys
sys.path.insert(0, {path!r})
from goldlock.inspect.lock_table import table
file = open("t", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(table("t"), end="")
"""


@pytest.mark.usefixtures("_supervisor")
def test_a_process_has_the_name_that_a_trace_has(tmp_path: Path) -> None:
    script = tmp_path / "a-script-of-a-long-name"
    script.write_text(NAMED.format(python=sys.executable, path=str(ROOT / ".import")))
    script.chmod(0o755)
    for argv in ([str(script)], [sys.executable, str(script)]):
        trace = tmp_path / "trace"
        trace.unlink(missing_ok=True)
        line = [sys.executable, "-m", "goldlock", "faults", "--trace", str(trace), "--", *argv]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / ".import")}
        done = subprocess.run(
            line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.stdout.startswith(f"t: all bytes, exclusive (flock): {script.name} (pid ")
        assert trace.read_text().startswith(f"{script.name}: flock of ")


def test_the_directory_itself(image: Path) -> None:
    top = os.open(image.parent, os.O_RDONLY)
    fcntl.flock(top, fcntl.LOCK_EX)
    assert words(table(str(image.parent))) == [".: all bytes, exclusive (flock)"]
    assert locks_below(str(image.parent)) == {Lock(str(image.parent), 0, None, "flock", True)}
    waiter = subprocess.Popen(["flock", str(image.parent), "true"])
    while "contender" not in table(str(image.parent)):
        os.sched_yield()
    os.close(top)
    assert waiter.wait() == 0
    assert table(str(image.parent)) == ""


def test_flock_and_posix_locks(image: Path) -> None:
    with image.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX, 4, 10)
        held = {each.system: each.bytes() for each in mine(image)}
        said = words(table(str(image.parent)))
    assert held == {"flock": "all of t.qcow2", "POSIX": "bytes 10-13 of t.qcow2"}
    assert said == [
        "t.qcow2: all bytes, exclusive (flock)",
        "t.qcow2: bytes 10-13, exclusive (POSIX)",
    ]


def test_the_table_names_holders_in_the_order_of_files_and_bytes(
    image: Path, sleeper: Sleeper
) -> None:
    (image.parent / "sub").mkdir()
    lock = "exec 9>>sub/a; flock -s 9; echo ready; read line"
    (image.parent / "two.sh").write_text(f"#!/bin/sh\n{lock}\n")
    (image.parent / "two.sh").chmod(0o755)
    first = sleeper.start("/bin/sh", "-c", lock)
    second = sleeper.start("./two.sh")
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 101)
        lines = table(str(image.parent)).splitlines()
    assert lines[:2] == [
        f"sub/a: all bytes, shared (flock): sh (pid {first}, holder)",
        f"sub/a: all bytes, shared (flock): two.sh (pid {second}, holder)",
    ]
    assert lines[2].startswith("t.qcow2: byte 101, shared: ")
    assert lines[2].endswith(f"(pid {os.getpid()}, holder)")


def test_who_waits_is_a_contender(image: Path) -> None:
    """Only the kernel knows when it waits: it is asked until it says so."""
    with image.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiter = subprocess.Popen(["flock", str(image), "true"])
        try:
            while "contender" not in (said := table(str(image.parent))):
                os.sched_yield()
            assert said.splitlines()[1] == (
                f"t.qcow2: all bytes, exclusive (flock): flock (pid {waiter.pid}, contender)"
            )
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
            assert waiter.wait() == 0


def test_a_file_that_is_gone_is_still_locked(image: Path) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 101)
        image.unlink()
        assert words(table(str(image.parent))) == ["t.qcow2 (deleted): byte 101, shared"]


def test_a_link_to_the_directory_will_do(image: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(image.parent)
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 101)
        assert words(table(str(link))) == ["t.qcow2: byte 101, shared"]


def test_a_process_that_is_gone_holds_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert held_by(pid) == []


def test_a_watch_tells_what_has_changed(image: Path, sleeper: Sleeper) -> None:
    watch, me = Watch(str(image.parent)), [os.getpid()]
    assert watch.changed(me) == ""
    assert watch.changed(me) is None
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 101)
        assert words(watch.changed(me) or "") == ["t.qcow2: byte 101, shared"]
        assert watch.changed(me) is None
        pid = sleeper.start("/bin/sh", "-c", "exec 9>>other; flock 9; echo ready; read line")
        said = watch.changed(me)  # not one of those that it was told of
        assert said is not None
        assert said.startswith(f"other: all bytes, exclusive (flock): sh (pid {pid}, holder)\n")
        assert len(said.splitlines()) == 2
    sleeper.end()
    assert watch.changed(me) == ""


@pytest.mark.parametrize("others", [0, 200])
def test_the_locks_below_a_directory(image: Path, tmp_path: Path, others: int) -> None:
    """So many others that the kernel tells of them in pieces, and may leave some out."""
    folder = tmp_path / "sub"
    folder.mkdir()
    with image.open("r+b") as file, (folder / "a").open("w") as inner, ExitStack() as opened:
        for number in range(others):
            fcntl.flock(opened.enter_context((tmp_path / f"{number}").open("w")), fcntl.LOCK_EX)
        ofd_lock(file.fileno(), 100, 2)
        fcntl.flock(inner, fcntl.LOCK_EX)
        found = [lock for lock in locks_below(str(tmp_path)) if not Path(lock.path).name.isdigit()]
        assert sorted(found) == [
            Lock(f"{folder}/a", 0, None, "flock", True),
            Lock(str(image), 100, 101, "OFD", False),
        ]
    assert locks_below(str(tmp_path)) == set()


ASKS = """
import fcntl, os, subprocess, sys
from pathlib import Path
from goldlock.inspect.lock_table import Watch, locks_below, table

top = os.environ["TEST_DIR"]
file = open(f"{top}/t", "w")
fcntl.flock(file, fcntl.LOCK_EX)
daemon = "exec 8>d; flock 8; echo >ready; read line <go"
subprocess.run(["sh", "-c", f"mkfifo ready go; setsid sh -c '{daemon}' &"], cwd=top, check=True)
Path(top, "ready").read_bytes()
waiter = subprocess.Popen(["flock", f"{top}/t", "true"])
asks = Path(f"/proc/{waiter.pid}/syscall")  # "running" before it has come to rest
while "contender" not in (said := table(top)) or asks.read_text().startswith("running"):
    pass
print(said, end="")
print(sorted(lock.path.removeprefix(top) for lock in locks_below(top)))
watch = Watch(top)
print(watch.changed([os.getpid()]) == said, watch.changed([os.getpid()]))
file.close()
waiter.wait()
print(len(watch.changed([os.getpid()]).splitlines()))
Path(top, "go").write_bytes(b"x")
"""


@pytest.mark.parametrize("others", [0, 200])
def test_in_a_case_others_are_not_looked_at_where_they_are_many(
    tmp_path: Path, sleeper: Sleeper, others: int
) -> None:
    """Without others, what is told is the same, however many locks there are on the machine."""
    test = tmp_path / "case" / "test"
    test.mkdir(parents=True)
    sleeper.folder = test
    if others:
        sleeper.start("/bin/sh", "-c", "exec 9>>foreign; flock 9; echo ready; read line")
    worker = "import subprocess, sys; subprocess.run(sys.argv[2:], env={'TEST_DIR': sys.argv[1]})"
    worker = f"import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); {worker}"  # a subreaper
    with ExitStack() as opened:
        for number in range(others):
            fcntl.flock(opened.enter_context((tmp_path / f"{number}").open("w")), fcntl.LOCK_EX)
        path = f"import sys; sys.path.insert(0, {str(ROOT / '.import')!r})"
        line = [sys.executable, "-c", worker, str(test), sys.executable, "-c", f"{path}{ASKS}"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    *said, below, watched, last = done.stdout.splitlines()
    assert words("\n".join(said)) == [
        "d: all bytes, exclusive (flock)",
        "t: all bytes, exclusive (flock)",
        "t: all bytes, exclusive (flock)",
    ]
    assert [line.rpartition(", ")[2] for line in said] == ["holder)", "holder)", "contender)"]
    assert below == "['/d', '/t']"
    assert (watched, last) == ("True None", "1")
    assert ("foreign: all bytes" in table(str(test))) == bool(others)


def command(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "goldlock.inspect.lock_table", *arguments],
        env={"PYTHONPATH": str(ROOT / ".import"), **variables},
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[int(variables["FD"])] if "FD" in variables else [],
    )


def test_the_command_for_other_languages(image: Path, tmp_path: Path) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 201)
        fd = str(file.fileno())  # it has it open, too, and is not in the table
        for done in (command(str(tmp_path), FD=fd), command(TEST_DIR=str(tmp_path))):
            assert words(done.stdout) == ["t.qcow2: byte 201, shared"]
            assert done.stdout.endswith(f"(pid {os.getpid()}, holder)\n")
            assert (done.returncode, done.stderr) == (0, "")


def test_the_command_where_nobody_holds_a_lock(image: Path) -> None:
    for path in (image, image.parent):
        done = command(str(path))
        assert (done.stdout, done.stderr, done.returncode) == ("nobody holds a lock\n", "", 0)


@pytest.mark.parametrize("arguments", [(), ("/no/such",), ("--hepl",), (".", ".")])
def test_what_is_no_path(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("goldlock locks: ")
    assert done.stderr.count("\n") == 1


def test_in_a_shell_case(run_tests: RunTests, suite: MakeSuite) -> None:
    script = (
        'exec 9>"$TEST_DIR/file"; flock 9\n'
        '"$PYTHON" -m goldlock.inspect.lock_table | "$PYTHON" -m goldlock.filters holders\n'
    )
    suite.case("1.sh", script, "file: all bytes, exclusive (flock): 1.sh (pid PID, holder)\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_folders_deeper_than_pythons_stack(tmp_path: Path) -> None:
    folder = tmp_path / "top" / Path(*["d"] * 500)
    folder.mkdir(parents=True)
    other = tmp_path / "other"
    other.touch()
    (folder / "name").hardlink_to(other)  # to be searched for
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / '.import')!r})\n"
        "from goldlock.inspect.lock_table import table; sys.setrecursionlimit(250)\n"
        f"print(len(table({str(tmp_path / 'top')!r}).splitlines()))"
    )
    with other.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_chain_of_processes_longer_than_pythons_stack() -> None:
    script = (
        f"import os, sys; sys.path.insert(0, {str(ROOT / '.import')!r})\n"
        "from goldlock.linux import processes_below\n"
        "top = os.getpid()\n"
        "for _ in range(200):\n"
        "    if os.fork(): os.wait(); os._exit(0)\n"
        "sys.setrecursionlimit(150)\n"
        "found = list(processes_below(top))\n"
        "above = [top, *(pid for pid, _ in found[:-1])]\n"
        "print(len(found), [parent for _, parent in found] == above, flush=True)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("200 True\n", "")
