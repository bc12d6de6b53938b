"""What is told of the locks that processes hold."""

import fcntl
import os
import struct
from pathlib import Path

import pytest

from harness.situation import Held, held_by


def ofd_lock(file: int, first: int, length: int = 1, kind: int = fcntl.F_RDLCK) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, 0, first, length, 0))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "t.qcow2"
    path.write_bytes(bytes(512))
    return path


def mine(path: Path) -> list[Held]:
    return [held for held in held_by(os.getpid()) if held.path == str(path)]


def test_the_locks_of_a_writer_in_words(image: Path) -> None:
    with image.open("r+b") as file:
        for byte in (100, 101, 103, 201, 203):
            ofd_lock(file.fileno(), byte)
        (held,) = mine(image)
        assert held.bytes() == "bytes 100-101 103 201 203 of t.qcow2"
        assert held.system == "OFD"
        assert held.meaning() == (
            "it uses consistent read, write, resize; nobody else may use write, resize"
        )
    assert mine(image) == []


def test_one_byte_that_is_not_qemu_s(image: Path) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 7, kind=fcntl.F_WRLCK)
        (held,) = mine(image)
        assert (held.bytes(), held.meaning()) == ("byte 7 of t.qcow2", "")


def test_a_lock_to_the_end(image: Path) -> None:
    with image.open("r+b") as file:
        ofd_lock(file.fileno(), 200, length=0)
        (held,) = mine(image)
        assert (held.bytes(), held.meaning()) == ("bytes 200- of t.qcow2", "")


def test_flock_and_posix_locks(image: Path) -> None:
    with image.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX, 4, 10)
        held = {each.system: each.bytes() for each in mine(image)}
    assert held == {"flock": "all of t.qcow2", "POSIX": "bytes 10-13 of t.qcow2"}


def test_a_process_that_is_gone_holds_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert held_by(pid) == []
