# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's side: a seccomp filter that asks a supervisor about every lock call.

The filter is inherited through fork and exec and cannot be taken off, so one filter covers a
whole tree of programs.  It is written by hand (no libseccomp): it is small, and the only
program that must be right on a 32-bit caller too.  See seccomp(2) and seccomp_unotify(2).
"""

import ctypes
import errno
import fcntl
import os
import struct
from contextlib import suppress

from goldlock import linux
from goldlock.lockcalls.abi import FCNTL_NUMBERS, FLOCK_NUMBERS, X32_BIT
from goldlock.lockcalls.bpf import (
    BPF_JUMP_EQUAL,
    BPF_JUMP_SET,
    BPF_LOAD,
    BPF_RETURN,
    BpfLine,
    bpf_program,
)
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, FLAGS_AT, IO_URING_SETUP, O_CREAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    _Also = Mapping[int, tuple[int, ...]]

NOTHING: "_Also" = {}
SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}

# F_GETLK, F_SETLK, F_SETLKW, the three F_*64 of 32-bit callers, the three F_OFD_*, F_SETLEASE.
LOCK_COMMANDS = (5, 6, 7, 12, 13, 14, 36, 37, 38, 1024)

ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data; of numbers, the low half


def program(
    numbers: dict[int, tuple[int, ...]],
    *,
    files: bool = False,
    also: "_Also" = NOTHING,
    open_flags: int = O_CREAT,
) -> bytes:
    """Return the BPF program: notify of a lock call in any of these ABIs, allow all else.

    *numbers* are those of fcntl. With *files*, also of calls that make, rename and remove files,
    and of open with one of *open_flags*, 0: always; *also* are numbers of others, for each ABI.
    """
    allow, notify = (BPF_RETURN, ALLOW), (BPF_RETURN, NOTIFY)
    lines: list[BpfLine] = [(BPF_LOAD, ARCH_AT)]
    lines += [(BPF_JUMP_EQUAL, arch, f"ABI {arch}", "") for arch in numbers]
    lines.append(allow)
    for arch, fcntls in numbers.items():
        lines += [f"ABI {arch}", (BPF_LOAD, NUMBER_AT)]
        lines += [(BPF_JUMP_EQUAL, number, "fcntl", "") for number in fcntls]
        lines += [(BPF_JUMP_EQUAL, number, "lock", "") for number in FLOCK_NUMBERS[arch]]
        lines += _file_calls(arch, open_flags) if files else []
        lines += [(BPF_JUMP_EQUAL, number, "lock", "") for number in also.get(arch, ())]
        lines.append(allow)
    for name, argument in FLAGS_AT.items() if files else ():
        lines += [name, (BPF_LOAD, ARGUMENTS_AT + 8 * argument)]
        lines += [(BPF_JUMP_SET, open_flags, "lock", ""), allow]
    lines += ["fcntl", (BPF_LOAD, ARGUMENTS_AT + 8)]
    lines += [(BPF_JUMP_EQUAL, command, "lock", "") for command in LOCK_COMMANDS]
    return bpf_program([*lines, allow, "lock", notify])


def _file_calls(arch: int, open_flags: int) -> list[BpfLine]:
    calls = {**FILE_NUMBERS[arch], IO_URING_SETUP: "", IO_URING_SETUP | X32_BIT: ""}
    return [
        (BPF_JUMP_EQUAL, number, name if name in FLAGS_AT and open_flags else "lock", "")
        for number, name in calls.items()
    ]


_SET_MODE_FILTER = 1
_SPEC_ALLOW, _NEW_LISTENER, _WAIT_KILLABLE = 1 << 2, 1 << 3, 1 << 5


def install(*, files: bool = False, also: "_Also" = NOTHING, open_flags: int = O_CREAT) -> int:
    """Put this process, and all that it will start, under the filter; return the listener.

    The arguments are those of `program`.
    The listener is a descriptor, closed on exec.  Raises OSError whose text says what the
    kernel or a sandbox refused.
    """
    machine = os.uname().machine
    if machine not in FCNTL_NUMBERS:
        raise OSError(errno.ENOSYS, f"no system call numbers known for {machine}")
    try:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as refusal:
        raise OSError(refusal.errno, f"no_new_privs: {refusal.strerror}") from None
    code = program(FCNTL_NUMBERS[machine], files=files, also=also, open_flags=open_flags)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = struct.pack("@H6xP", len(code) // 8, linux.address_of(buffer))
    try:
        return _listener(SECCOMP_NUMBER[machine], prog)
    except OSError as refusal:
        reason = _REASONS.get(refusal.errno or 0, refusal.strerror)
        raise OSError(refusal.errno, f"seccomp: {reason}") from None


_REASONS = {
    errno.EBUSY: "a supervisor is at work already",
    errno.EINVAL: "the kernel has no seccomp user notification",
    errno.ENOSYS: "the kernel has no seccomp",
}


def _listener(seccomp: int, prog: bytes) -> int:
    # WAIT_KILLABLE (Linux 5.19): a signal does not cut a call short that the supervisor works
    # on, so that no call is counted and traced twice.  An older kernel does without.
    flags = _NEW_LISTENER | _SPEC_ALLOW
    try:
        return linux.syscall(seccomp, _SET_MODE_FILTER, flags | _WAIT_KILLABLE, prog)
    except OSError as refusal:
        if refusal.errno != errno.EINVAL:
            raise
    return linux.syscall(seccomp, _SET_MODE_FILTER, flags, prog)


class Notification:
    """A call that waits for an answer: whose, by what number in which ABI, with which arguments."""

    __slots__ = ("arch", "args", "cookie", "fd", "number", "tid")

    def __init__(self, raw: bytes | bytearray) -> None:
        self.cookie, self.tid, self.number, self.arch, *self.args = _NOTIFICATION.unpack_from(raw)
        self.fd = self.signed(0)

    def signed(self, index: int) -> int:
        """Return an argument that is an int, with its sign."""
        argument: int = self.args[index]
        return (argument & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)


# struct seccomp_notif: id, pid, flags, {nr, arch, instruction pointer, args[6]}
_NOTIFICATION = struct.Struct("=QI4xiI8x6Q")
_ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp: id, val, error, flags
_RECEIVE, _SEND, _ID_VALID, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
_EMPTY = bytes(_NOTIFICATION.size)
_LET_THROUGH = _ANSWER.pack(0, 0, 0, 1)[8:]  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class Listener:
    """The supervisor's end of a filter."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = bytearray(_EMPTY)
        with suppress(OSError):
            fcntl.ioctl(fd, _SET_FLAGS, 1)  # hand the CPU straight over: 9 us a call, not 50

    def wait(self) -> bool:
        """Wait for a call; return whether there is one: its process may be gone meanwhile."""
        self._buffer[:] = _EMPTY  # the kernel wants it so
        try:
            fcntl.ioctl(self.fd, _RECEIVE, self._buffer, True)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return False
            raise
        return True

    def call(self) -> Notification:
        """Return the lock call that `wait` has found."""
        return Notification(self._buffer)

    def pass_on(self) -> None:
        """Let that call through without a look at it, as fast as can be."""
        self._send(self._buffer[:8] + _LET_THROUGH)  # its id comes first in both structs

    def valid(self, call: Notification) -> bool:
        """Return whether the call still waits, so that its tid still is the caller's."""
        try:
            fcntl.ioctl(self.fd, _ID_VALID, struct.pack("=Q", call.cookie))
        except OSError:
            return False
        return True

    def let_through(self, call: Notification) -> bool:
        """Let the kernel carry out the call; return False if its process is gone."""
        return self._send(struct.pack("=Q", call.cookie) + _LET_THROUGH)

    def answer(self, call: Notification, error: int) -> bool:
        """Make the call return 0, or fail with this errno; return False if it is gone."""
        return self._send(_ANSWER.pack(call.cookie, 0, -error, 0))

    def _send(self, answer: bytes | bytearray) -> bool:
        try:
            fcntl.ioctl(self.fd, _SEND, answer)
        except OSError as problem:
            if problem.errno == errno.ENOENT:  # killed between its call and the answer
                return False
            raise
        return True
