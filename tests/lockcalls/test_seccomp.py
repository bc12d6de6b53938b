# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter in every ABI, and processes that do not wait for their answer."""

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls import abi, posix, seccomp
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, IO_URING_SETUP
from goldlock.lockcalls.plan import Fault
from goldlock.lockcalls.reading import read_call
from goldlock.lockcalls.supervisor import Supervisor

from tests.lockcalls import i386
from tests.lockcalls.support import Run

ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000


def verdict(code: bytes, arch: int, number: int, argument: int, place: int = 1) -> int:
    """Run a filter as the kernel does, on one system call with one argument that matters."""
    arguments = [argument if index == place else 3 for index in range(6)]
    data = struct.pack("=iIQ6Q", number, arch, 0, *arguments)
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x15:
            at += if_true if accumulator == value else if_false
        elif operation == 0x45:
            at += if_true if accumulator & value else if_false
        else:
            assert operation == 0x06
            return int(value)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter(machine: str) -> None:
    numbers = abi.FCNTL_NUMBERS[machine]
    code = seccomp.program(numbers)
    for arch, fcntls in numbers.items():
        for number in range(512):
            for command in range(1100):
                if number not in fcntls and command > 40:
                    break
                asked = number in fcntls and command in seccomp.LOCK_COMMANDS
                asked = asked or number in abi.FLOCK_NUMBERS[arch]
                assert verdict(code, arch, number, command) == (NOTIFY if asked else ALLOW)
    assert verdict(code, 0xC00000F3, 25, fcntl.F_OFD_SETLK) == ALLOW  # riscv64, by chance


O_CREAT = 0x40


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_of_files(machine: str) -> None:
    """An open that makes no file stays in the kernel; openat2 has its flags in memory."""
    numbers = abi.FCNTL_NUMBERS[machine]
    code = seccomp.program(numbers, files=True)
    for arch in numbers:
        names = FILE_NUMBERS[arch]
        assert len(set(names.values())) == len(names) / (2 if arch == abi.X86_64 else 1)
        for number in {*range(512), *names} - {*numbers[arch], *abi.FLOCK_NUMBERS[arch]}:
            for flags in (0, 1, O_CREAT, O_CREAT | 0x80 | 1):
                asked = number in names or number & 0x3FFFFFFF == IO_URING_SETUP
                place = {"open": 1, "openat": 2}.get(names.get(number, ""))
                asked = asked and (place is None or bool(flags & O_CREAT))
                found = verdict(code, arch, number, flags, place or 1)
                assert found == (NOTIFY if asked else ALLOW)


def test_filter_knows_x32_and_the_upper_half_of_the_command() -> None:
    code = seccomp.program(abi.FCNTL_NUMBERS["x86_64"])
    assert verdict(code, abi.X86_64, 0x40000000 | 72, fcntl.F_OFD_SETLK) == NOTIFY
    assert verdict(code, abi.X86_64, 72, 1 << 32 | fcntl.F_OFD_SETLK) == NOTIFY


def under_filter(act: Callable[[], int], *, files: bool = False) -> tuple[int, seccomp.Listener]:
    """Start a child that acts under a filter; return it, and the listener."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            listener = seccomp.install(files=files)
            socket.send_fds(theirs, [b"x"], [listener])
            os.close(listener)
            os._exit(act())
        finally:
            os._exit(99)
    theirs.close()
    _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    return child, seccomp.Listener(listener)


def lock(fd: int) -> int:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0))
    except OSError as error:
        return error.errno or 0
    return 0


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize(
    "faults", [(), (Fault("lock", errno.EIO),), (Fault("lock", errno.EIO, nth=2),)]
)
def test_exit_before_the_answer(image: Path, faults: tuple[Fault, ...]) -> None:
    with image.open("r+b") as file:
        child, listener = under_filter(lambda: lock(file.fileno()))
        supervisor = Supervisor(listener)
        keys = [supervisor.add(fault) for fault in faults]
        assert listener.wait()
        notification = listener.call()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        supervisor.decide(notification)  # no error
        assert [supervisor.clear(key).hits for key in keys] == [0] * len(keys)
        assert not listener.valid(notification)
        assert not listener.answer(notification, 0)
        os.close(listener.fd)


@pytest.mark.usefixtures("_supervisor")
def test_exit_before_the_notification_is_read(image: Path) -> None:
    with image.open("r+b") as file:
        child, listener = under_filter(lambda: lock(file.fileno()))
        assert select.select([listener.fd], [], [], 10)[0]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert not listener.wait()
        os.close(listener.fd)


@pytest.mark.usefixtures("_supervisor")
def test_signal_does_not_cut_a_call_short(image: Path) -> None:
    def act() -> int:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        return lock(file.fileno())

    with image.open("r+b") as file:
        child, listener = under_filter(act)
        assert listener.wait()
        notification = listener.call()
        os.kill(child, signal.SIGUSR1)
        assert listener.answer(notification, errno.ENOLCK)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.ENOLCK
        os.close(listener.fd)


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.skipif(not i386.is_there(), reason="no i386 programs run here")
@pytest.mark.parametrize(
    ("number", "command", "layout"),
    [(221, 37, "=hhqqi"), (221, 13, "=hhqqi"), (55, 6, "=hhiii"), (221, 6, "=hhiii")],
)
def test_i386_caller(image: Path, number: int, command: int, layout: str) -> None:
    call = i386.i386_call()
    address, buffer = i386.low_buffer()

    def act() -> int:
        results = []
        for byte in (100, 101):
            struct.pack_into(layout, buffer, 0, fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
            results.append(call(number, file.fileno(), command, address))
        # The question, on another description, whether a lock is there.
        struct.pack_into("=hhqqi", buffer, 0, fcntl.F_WRLCK, os.SEEK_SET, 101, 1, 0)
        other = os.open(image, os.O_RDWR)
        asked = call(221, other, fcntl.F_OFD_GETLK, address)
        found = struct.unpack_from("=hhqq", buffer)
        return results != [-errno.EIO, 0] or asked or found != (fcntl.F_RDLCK, 0, 101, 1)

    with image.open("r+b") as file:
        child, listener = under_filter(act)
        supervisor = Supervisor(listener)
        supervisor.add(Fault("lock", errno.EIO, 100))
        for _ in range(3):
            supervisor.serve()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(listener.fd)


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.skipif(not i386.is_there(), reason="no i386 programs run here")
@pytest.mark.parametrize(
    ("number", "flags", "name"), [(39, 0o755, "mkdir"), (5, 0o301, "create"), (10, 0, "unlink")]
)
def test_i386_caller_with_files(image: Path, number: int, flags: int, name: str) -> None:
    call = i386.i386_call()
    address, buffer = i386.low_buffer()
    path = image if name == "unlink" else image.with_name("new")
    buffer.write(os.fsencode(path) + b"\0")

    def act() -> int:
        results = [call(number, address, flags, 0o600) for _ in range(2)]
        return results[0] != -errno.EIO or results[1] < 0

    child, listener = under_filter(act, files=True)
    supervisor = Supervisor(listener, files=True)
    supervisor.add(Fault(name, errno.EIO, image=str(path), times=1))
    for _ in range(2):
        supervisor.serve()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.exists() == (name != "unlink")
    os.close(listener.fd)


@pytest.mark.usefixtures("_supervisor")
def test_a_call_that_holds_a_part_of_its_range_is_not_carried_out_yet(image: Path) -> None:
    def act() -> int:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 0)
        os.write(theirs, b"x")
        signal.pause()
        return 0

    ours, theirs = os.pipe()
    with image.open("r+b") as file:
        child, listener = under_filter(act)
        assert listener.wait()
        listener.pass_on()
        assert listener.wait()
        call = read_call(notification := listener.call())
        assert not posix._is_done(call)
        call.close()
        listener.let_through(notification)
        os.read(ours, 1)
        assert posix._is_done(call)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    for fd in (ours, theirs, listener.fd):
        os.close(fd)


def test_no_machine_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "FCNTL_NUMBERS", {})
    with pytest.raises(OSError, match="no system call numbers known for "):
        seccomp.install()


def test_refusal_of_the_kernel(supervised: Run) -> None:
    """A sandbox in the way: the filter is there already (a process can have one listener)."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from goldlock.lockcalls import seccomp\n"
        "try: seccomp.install()\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = supervised([sys.executable, "-c", code])
    assert done.stdout == "seccomp: a supervisor is at work already\n"
