# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files a case is seen to create."""

import os
import socket
import sys
from pathlib import Path

import pytest
from goldlock.runner import creation_syscalls
from goldlock.runner.file_audit import Witness

C_LIBRARY = "import ctypes, os; c = ctypes.CDLL(None); at = os.open('.', os.O_RDONLY); "

WAYS = {
    "open": "os.close(os.open('new', os.O_CREAT | os.O_WRONLY))",
    "relative to a folder": "os.close(os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=at))",
    "mkdir": "os.mkdir('new/')",
    "mkdirat": "os.mkdir('new', dir_fd=at)",
    "mkfifo": "os.mkfifo('new')",
    "symlink": "os.symlink('old', 'new')",
    "link": "os.link('old', 'new')",
    "linkat": "os.link('old', 'new', src_dir_fd=at, dst_dir_fd=at)",
    "rename": "os.rename('old', 'new')",
    "renameat2": "c.renameat2(-100, b'old', -100, b'new', 0)",
    "up and down": "os.mkdir('../outside/new')",
    "by a link": "os.mkdir('link/new')",
    "socket": "import socket; socket.socket(socket.AF_UNIX).bind('new')",
}


def seen(script: str, folder: Path, own: Path) -> list[tuple[str, str, bool]]:
    """Run Python under a witness; return what was seen of it."""
    witness = Witness([own])
    command = [sys.executable, "-S", "-c", script]
    with (own / "output").open("w") as output:
        pid = witness.start(command, {}, folder, output.fileno())
        status = os.waitpid(pid, 0)[1]
    found = witness.close()
    assert not status, (own / "output").read_text()
    return [(str(each.path), each.program, each.was_there) for each in found]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that is a case's own, and one that is not, with a file and a link to itself."""
    own, outside = tmp_path / "own", tmp_path / "outside"
    own.mkdir()
    outside.mkdir()
    (outside / "old").touch()
    (outside / "link").symlink_to(".")
    return own, outside


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_create_a_file_is_seen(way: str, folders: tuple[Path, Path]) -> None:
    own, outside = folders
    assert seen(C_LIBRARY + WAYS[way], outside, own) == [
        (f"{outside}/new", Path(sys.executable).name, False)
    ]


def test_a_call_with_a_bad_address_fails_as_ever(folders: tuple[Path, Path]) -> None:
    own, outside = folders
    script = C_LIBRARY + "assert c.mkdir(ctypes.c_void_p(-1), 511) == -1; os.mkdir('new')"
    assert [path for path, _, _ in seen(script, outside, own)] == [f"{outside}/new"]


def test_openat2_is_seen_where_it_creates(folders: tuple[Path, Path]) -> None:
    own, outside = folders
    call = "c.syscall(437, -100, b'{}', (ctypes.c_uint64 * 3)({}, 0o{}, 0), 24)"
    script = C_LIBRARY + call.format("old", "os.O_RDONLY", "0")
    script += "; " + call.format("new", "os.O_CREAT | os.O_WRONLY", "644")
    assert [path for path, _, _ in seen(script, outside, own)] == [f"{outside}/new"]


def test_what_is_not_seen(folders: tuple[Path, Path]) -> None:
    """What is gone at the end, what is its own, what is only read, and what has no name."""
    own, outside = folders
    script = (
        f"import os, socket; os.mkdir('gone'); os.rmdir('gone'); os.mkdir('{own}/new'); open('old')"
        "; socket.socket(socket.AF_UNIX).bind('\\0nobody'); socket.socket().bind(('', 0))"
    )
    assert seen(script, outside, own) == []


def test_what_was_there_is_told(folders: tuple[Path, Path]) -> None:
    own, outside = folders
    found = seen("open('old', 'w').close(); open('new', 'w').close()", outside, own)
    assert [(Path(path).name, was_there) for path, _, was_there in found] == [
        ("old", True),
        ("new", False),
    ]


def test_a_process_that_outlives_the_case_is_left_alone(folders: tuple[Path, Path]) -> None:
    """A case's processes are killed before; one that cannot be must not hold up the runner."""
    own, outside = folders
    near, far = socket.socketpair()
    os.set_inheritable(far.fileno(), True)
    with near:
        script = f"import os\nif not os.fork(): os.read({far.fileno()}, 1); os.mkdir('late')"
        assert seen(script, outside, own) == []
        far.close()
        near.send(b"x")
        assert near.recv(1) == b""  # it has ended
    assert not (outside / "late").exists()


def test_numbers_are_known_for_both_machines() -> None:
    for machine in ("x86_64", "aarch64"):
        assert len(creation_syscalls.program(machine)) % 8 == 0
        assert creation_syscalls.calls(machine)
    assert creation_syscalls.calls("riscv64") == {}
