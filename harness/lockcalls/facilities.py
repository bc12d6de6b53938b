# SPDX-License-Identifier: GPL-2.0-or-later
"""What a supervisor needs of kernel and sandbox, tried once, before its program starts.

All of it is tried, and what is missing is named in one line: a supervisor that had but a part of
it would tell of calls what is not so.
"""

import ctypes
import os
import socket
import struct

from goldlock import linux
from goldlock.lockcalls import seccomp
from goldlock.lockcalls.copies import PIDFD_GETFD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SAMPLE = b"can this be read"
_ADDRESS = struct.Struct("=Q")


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
        ("copying a program's descriptor", lambda: _copy(program, open_there)),
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
    memory = os.open(f"/proc/{program}/mem", os.O_RDONLY)
    try:
        found = os.pread(memory, len(_SAMPLE), address)
    finally:
        os.close(memory)
    if found != _SAMPLE:
        raise OSError(0, "it is not what it should be")


def _copy(program: int, fd: int) -> None:
    process = _named("pidfd_open", lambda: os.pidfd_open(program))
    try:
        os.close(_named("pidfd_getfd", lambda: linux.syscall(PIDFD_GETFD, process, fd, 0)))
    finally:
        os.close(process)


def _named(name: str, call: "Callable[[], int]") -> int:
    try:
        return call()
    except OSError as error:
        raise OSError(error.errno, f"{name}(2): {error.strerror}") from None
