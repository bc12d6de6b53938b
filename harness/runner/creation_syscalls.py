# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls by which files come to be: a filter that asks about them, and what they name.

See seccomp_unotify(2), and `goldlock.lockcalls.seccomp`, which does so for lock calls. Only calls
of the machine's own ABI are asked about.
"""

import os
import struct
import sys
from typing import NamedTuple

from goldlock import linux
from goldlock.lockcalls import seccomp


class _Call(NamedTuple):
    """Which arguments of a system call are a path, what it is relative to, and flags as of open.

    *how* is where a struct open_how is, which begins with such flags.
    """

    path: int
    folder: int | None = None
    flags: int | None = None
    how: int | None = None


_BIND = _Call(1)
_AT = {
    "openat": _Call(1, 0, 2),
    "openat2": _Call(1, 0, how=2),
    "mkdirat": _Call(1, 0),
    "mknodat": _Call(1, 0),
    "symlinkat": _Call(2, 1),
    "linkat": _Call(3, 2),
    "renameat": _Call(3, 2),
    "renameat2": _Call(3, 2),
    "bind": _BIND,
}
_OLD = {
    "open": _Call(0, None, 1),
    "creat": _Call(0),
    "mkdir": _Call(0),
    "mknod": _Call(0),
    "symlink": _Call(1),
    "link": _Call(1),
    "rename": _Call(1),
}
_NUMBERS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        seccomp.X86_64,
        {
            "open": 2, "bind": 49, "rename": 82, "mkdir": 83, "creat": 85, "link": 86,
            "symlink": 88, "mknod": 133, "openat": 257, "mkdirat": 258, "mknodat": 259,
            "renameat": 264, "linkat": 265, "symlinkat": 266, "renameat2": 316, "openat2": 437,
        },
    ),
    "aarch64": (
        seccomp.AARCH64,
        {
            "mknodat": 33, "mkdirat": 34, "symlinkat": 36, "linkat": 37, "renameat": 38,
            "openat": 56, "bind": 200, "renameat2": 276, "openat2": 437,
        },
    ),
}  # fmt: skip

_O_CREAT = 0o100  # on both machines

# struct seccomp_notif: id, pid, flags, {nr, arch, instruction pointer, args[6]}
_NOTIFICATION = struct.Struct("=QI4xi4x8x6Q")
_AT_FDCWD = -100
_AF_UNIX = 1
_LONGEST = 4096


def calls(machine: str) -> dict[int, _Call]:
    """Return the calls by their numbers; none for a machine whose numbers are not known."""
    _, numbers = _NUMBERS.get(machine, (0, {}))
    known = {**_AT, **_OLD}
    return {number: known[name] for name, number in numbers.items()}


def program(machine: str) -> bytes:
    """Return the BPF program: notify of a call that may create a file, allow all else."""
    arch, _ = _NUMBERS[machine]
    lines: list[linux.BpfLine] = [
        (linux.BPF_LOAD, seccomp.ARCH_AT),
        (linux.BPF_JUMP_EQUAL, arch, "", "allow"),
        (linux.BPF_LOAD, seccomp.NUMBER_AT),
    ]
    for number, call in calls(machine).items():
        if call.flags is None:
            lines.append((linux.BPF_JUMP_EQUAL, number, "notify", ""))
        else:
            lines += [
                (linux.BPF_JUMP_EQUAL, number, "", f"not {number}"),
                (linux.BPF_LOAD, seccomp.ARGUMENTS_AT + 8 * call.flags),
                (linux.BPF_JUMP_SET, _O_CREAT, "notify", "allow"),
                f"not {number}",
            ]
    lines += ["allow", (linux.BPF_RETURN, seccomp.ALLOW)]
    return linux.bpf_program([*lines, "notify", (linux.BPF_RETURN, seccomp.NOTIFY)])


def created(raw: bytes, known: dict[int, _Call]) -> tuple[int, str]:
    """Return who is about to create what: a thread id, and a path without symbolic links.

    The path is empty where there is none. Raises OSError when the process is gone, or will not
    be looked into, and OverflowError for an address that can be none.
    """
    _, tid, number, *arguments = _NOTIFICATION.unpack(raw)
    call = known[number]
    if call.how is not None:
        flags = int.from_bytes(_read(tid, arguments[call.how], 8)[:8], sys.byteorder)
        if not flags & _O_CREAT:
            return tid, ""
    name = _read(tid, arguments[call.path], _LONGEST)
    if call is _BIND:
        family, name = int.from_bytes(name[:2], "little"), name[2 : arguments[2]]
        name = name if family == _AF_UNIX else b""
    path = os.fsdecode(name.partition(b"\0")[0]).rstrip("/")
    if not path:
        return tid, ""
    base = f"/proc/{tid}/cwd"
    if call.folder is not None:
        descriptor = arguments[call.folder] & 0xFFFFFFFF
        if descriptor != _AT_FDCWD & 0xFFFFFFFF:
            base = f"/proc/{tid}/fd/{descriptor}"
    folder, _, last = os.path.join(os.readlink(base), path).rpartition("/")  # noqa: PTH118, PTH115 - as below
    return tid, f"{os.path.realpath(folder or '/')}/{last}".replace("//", "/")


def _read(tid: int, address: int, size: int) -> bytes:
    """Read from a process's memory, up to the end of its page where the next is not there."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - for each call
        first = os.pread(memory.fileno(), page - address % page, address)
        if b"\0" in first or len(first) >= size:
            return first
        try:
            return first + os.pread(memory.fileno(), page, address + len(first))
        except OSError:
            return first
