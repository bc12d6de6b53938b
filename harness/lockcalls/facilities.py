# SPDX-License-Identifier: GPL-2.0-or-later
"""What a supervisor needs of kernel and sandbox, tried once, before its program starts.

All of it is tried, and what is missing is named in one line: a supervisor that had but a part of
it would tell of calls what is not so.
"""

import ctypes
import errno
import os
import socket
import struct

from goldlock import linux
from goldlock.lockcalls import seccomp
from goldlock.lockcalls.copies import PIDFD_GETFD, memory_of, write_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

_SAMPLE = b"can this be read"
_ADDRESS = struct.Struct("=Q")
_WAY_OUT = " (a container needs --cap-add SYS_PTRACE)"


class RefusedError(Exception):
    """Kernel or sandbox does not let a supervisor work; str() says why."""


def offer(theirs: socket.socket, *, files: bool) -> bool:
    """Get under the filter, as the program, and hand its listener over; return whether to go on."""
    sample = ctypes.create_string_buffer(_SAMPLE)
    listeners, problem = [], ""
    try:
        listeners.append(seccomp.install(files=files))
    except OSError as error:
        problem = str(error.strerror)
    message = _ADDRESS.pack(linux.address_of(sample)) + os.fsencode(problem)
    socket.send_fds(theirs, [message], listeners)
    for listener in listeners:
        os.close(listener)
    return theirs.recv(2) == b"go"


def accept(program: int, ours: socket.socket, open_there: int) -> int:
    """Return the listener of a program, which goes on if all that is needed is there.

    *open_there* is a descriptor that it has open. Raises RefusedError.
    """
    message, listeners, _, _ = socket.recv_fds(ours, 4096, 1)
    if not message:
        raise RefusedError("the program ended before its start")
    (address,) = _ADDRESS.unpack_from(message)
    missing = [os.fsdecode(message[_ADDRESS.size :])] if not listeners else []
    missing += _failed(
        ("reading a program's memory", lambda: _read_memory(program, address)),
        ("writing a program's memory", lambda: _write_memory(program, address)),
        ("copying a program's descriptor", lambda: _copy(program, open_there)),
        ("comparing descriptors", lambda: _compare((program, open_there), ours.fileno())),
    )
    if missing:
        raise RefusedError("; ".join(missing))
    ours.send(b"go")
    ours.close()
    return listeners[0]


def _failed(*attempts: "tuple[str, Callable[[], object]]") -> "Iterator[str]":
    for what, attempt in attempts:
        try:
            attempt()
        except OSError as error:
            yield f"{what}: {error.strerror}"


def _read_memory(program: int, address: int) -> None:
    if memory_of(program, address, len(_SAMPLE)) != _SAMPLE:
        raise OSError(0, "it is not what it should be")


def _write_memory(program: int, address: int) -> None:
    _named("process_vm_writev", lambda: write_memory(program, address, _SAMPLE))


def _copy(program: int, fd: int) -> None:
    process = _named("pidfd_open", lambda: os.pidfd_open(program))
    try:
        os.close(_named("pidfd_getfd", lambda: linux.syscall(PIDFD_GETFD, process, fd, 0)))
    finally:
        os.close(process)


def _compare(one: tuple[int, int], own: int) -> None:
    _named("kcmp", lambda: linux.same_open_file(one, (os.getpid(), own)))


def _named(name: str, call: "Callable[[], T]") -> "T":
    try:
        return call()
    except OSError as error:
        out = _WAY_OUT if error.errno == errno.EPERM else ""
        raise OSError(error.errno, f"{name}(2): {error.strerror}{out}") from None
