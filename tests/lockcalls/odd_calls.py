# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that makes calls with odd arguments, and prints what the kernel answers to each.

odd_calls.py KIND, in an empty folder; KIND is one of `KINDS`.
"""

# The calls are meant as such, and to print is what it is for:
# ruff: noqa: PTH102, PTH106, PTH109, PTH123, PTH211, T201

import ctypes
import errno
import itertools
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterator

from tests.lockcalls import i386

Answer = tuple[str, int]
"""A call, and what the kernel answers: 0, or an error below it."""

_libc = ctypes.CDLL(None, use_errno=True)
_X86_64 = {"fcntl": 72, "flock": 73, "openat": 257, "mkdirat": 258, "unlinkat": 263,
           "linkat": 265, "symlinkat": 266, "renameat2": 316, "openat2": 437}  # fmt: skip
_AARCH64 = {"fcntl": 25, "flock": 32, "openat": 56, "mkdirat": 34, "unlinkat": 35,
            "linkat": 37, "symlinkat": 36, "renameat2": 276, "openat2": 437}  # fmt: skip
NUMBERS = _AARCH64 if os.uname().machine == "aarch64" else _X86_64
HERE = -100  # AT_FDCWD
X32 = 0x40000000 if os.uname().machine == "x86_64" else 0
MAKE = os.O_CREAT | os.O_EXCL
LARGEST, FAR = 2**63 - 1, 2**64 - 1


def call(name: str, *arguments: int | bytes, abi: int = 0) -> int:
    """Make a system call; of bytes, the address is handed over."""
    kept = [ctypes.create_string_buffer(a) if isinstance(a, bytes) else a for a in arguments]
    words = [a if isinstance(a, int) else ctypes.addressof(a) for a in kept]
    result = _libc.syscall(
        ctypes.c_long(abi | NUMBERS[name]), *[ctypes.c_uint64(w & FAR) for w in words]
    )
    if result > 0:
        os.close(result)
    return -ctypes.get_errno() if result < 0 else 0


def flock(kind: int, whence: int = 0, start: int = 0, length: int = 1, owner: int = 0) -> bytes:
    return struct.pack("@hhqqi4x", kind, whence, start, length, owner)


OFD, POSIX = (36, 37, 38), (5, 6, 7)
SPANS = [
    (0, 0, -(2**63)), (0, 5, -5), (0, 5, -6), (0, -1, 1), (0, -(2**63), -1), (0, -(2**63), 0),
    (0, LARGEST, 1), (0, LARGEST, 2), (0, LARGEST, LARGEST), (0, LARGEST, -1), (0, LARGEST - 4, 9),
    (1, LARGEST, 1), (1, LARGEST, -1), (1, -100, 1), (1, -101, 200), (1, 0, -100), (1, 0, -101),
    (2, LARGEST, 1), (2, LARGEST, -1), (2, -1000, 0), (2, -1001, 2000), (2, 0, -1000),
    (2, 0, -1001), (3, 0, 1), (4, 0, 1), (7, 0, 1), (-1, 0, 1),
]  # fmt: skip
"""Of a file of 1,000 bytes that stands at 100: whence, start, length."""


def records(commands: tuple[int, ...]) -> Iterator[Answer]:
    fd = os.open("f", os.O_RDWR)
    os.lseek(fd, 100, os.SEEK_SET)
    for command in commands:
        for kind, span in itertools.product((0, 1, 2), SPANS):
            yield f"{command} {kind} {span}", call("fcntl", fd, command, flock(kind, *span))
            call("fcntl", fd, commands[1], flock(2, length=0))
        for wrong in (3, 4, 77, -1):
            yield f"{command} {wrong}", call("fcntl", fd, command, flock(wrong))
        yield f"{command} of another", call("fcntl", fd, command, flock(0, owner=7))


def pointers() -> Iterator[Answer]:
    fd = os.open("f", os.O_RDWR)
    os.ftruncate(fd, 2 * mmap.PAGESIZE)
    constant, memory = mmap.mmap(-1, mmap.PAGESIZE), mmap.mmap(fd, 2 * mmap.PAGESIZE)
    page, start = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (constant, memory))
    _libc.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE, mmap.PROT_READ)
    os.ftruncate(fd, mmap.PAGESIZE)  # nothing is behind it any more
    end = start + mmap.PAGESIZE
    places = {"read only": page, "nothing": end, "end": end - 8}
    places |= {f"{at:x}": at for at in (0, 8, 2**47, LARGEST - 7, 2**63, FAR)}
    for told, at in places.items():
        for command in (*OFD, *POSIX):
            yield f"{command} at {told}", call("fcntl", fd, command, at)
        yield f"openat2 of {told}", call("openat2", HERE, b"new", at, 24)
        if told not in ("read only", "end"):
            yield f"openat {told}", call("openat", HERE, at, MAKE, 0o600)
            yield f"symlinkat {told}", call("symlinkat", b"x", HERE, at)
            yield f"linkat {told}", call("linkat", HERE, b"f", HERE, at, 0)
            yield f"renameat2 {told}", call("renameat2", HERE, at, HERE, b"new", 0)


def descriptors() -> Iterator[Answer]:
    folder = os.open("d", os.O_RDONLY)
    os.mkdir("gone")
    gone = os.open("gone", os.O_RDONLY)
    os.rmdir("gone")
    files = {"file": os.open("f", os.O_RDWR), "read": os.open("f", os.O_RDONLY)}
    files |= {"write": os.open("f", os.O_WRONLY), "path": os.open("f", os.O_PATH)}
    files |= {"pipe": os.pipe()[1], "folder": folder, "gone": gone, "null": os.open("/dev/null", 2)}
    files |= {"closed": 99, "none": -1, "low": -5, "far": 2**31 - 1}
    for told, fd in files.items():
        for command, kind in itertools.product((*OFD, *POSIX), (0, 1, 2)):
            yield f"{command} {kind} {told}", call("fcntl", fd, command, flock(kind, 1))
            call("fcntl", fd, command if command in OFD else 6, flock(2, length=0))
        for operation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 32, 33, 38, 64, -1, 1 << 32 | 6):
            yield f"flock {operation} {told}", call("flock", fd, operation)
        call("flock", fd, 8)
        for command in (12, 13, 14, 35, 39, 99, 1024, 1 << 32 | 37, -1):
            yield f"fcntl {command} {told}", call("fcntl", fd, command, flock(2))
        for kind in (0, 1, 2, 3, 77, -1):
            yield f"lease {kind} {told}", call("fcntl", fd, 1024, kind)
        for path in (b"x", b"f", b"../d", b"no/x"):
            yield f"mkdirat {path!r} {told}", call("mkdirat", fd, path, 0o700)
            yield f"openat {path!r} {told}", call("openat", fd, path, MAKE, 0o600)
            yield f"linkat {path!r} {told}", call("linkat", HERE, b"f", fd, path, 0)
            yield f"renameat2 {path!r} {told}", call("renameat2", fd, path, HERE, b"new", 0)
            yield f"unlinkat {path!r} {told}", call("unlinkat", fd, path, 0)


def flags() -> Iterator[Answer]:
    for name, flag in itertools.product(
        (b"f", b"d", b"no", b"l"), (0x200, 0x400, 1, 0x201, 1 << 31)
    ):
        yield f"unlinkat {name!r} {flag:x}", call("unlinkat", HERE, name, flag)
    os.mkdir("e")
    for old, new in (
        (b"f", b"f2"),
        (b"f2", b"f"),
        (b"no", b"f"),
        (b"f", b"e"),
        (b"e", b"d"),
        (b"f", b"f"),
    ):
        for flag in (1, 2, 3, 5, 6, 8, 1 << 31):
            yield (
                f"renameat2 {old!r} {new!r} {flag:x}",
                call("renameat2", HERE, old, HERE, new, flag),
            )
        for flag in (0x400, 0x1000, 0x1400, 0x800, 1):
            yield f"linkat {old!r} {new!r} {flag:x}", call("linkat", HERE, old, HERE, new, flag)
    for path in (b"f", b"d", b"new", b"no/x", b"l"):
        for flag in (os.O_PATH, os.O_DIRECTORY, 0x400000, 0x400000 | os.O_DIRECTORY, 3, 4, 1 << 30):
            yield f"openat {path!r} {flag:x}", call("openat", HERE, path, MAKE | flag, 0o600)
            told = struct.pack("QQQ", MAKE | flag, 0o600, 0)
            yield f"openat2 {path!r} {flag:x}", call("openat2", HERE, path, told, 24)
        for resolve, mode in (
            (1, 0),
            (4, 0),
            (8, 0),
            (0x10, 0),
            (0x40, 0),
            (1 << 40, 0),
            (0, 1 << 20),
        ):
            told = struct.pack("QQQ", MAKE, mode, resolve)
            yield f"openat2 {path!r} {resolve:x} {mode:x}", call("openat2", HERE, path, told, 24)
        for size in (0, 8, 23, 24, 25, 32, 5000, FAR):
            told = struct.pack("QQQ", MAKE, 0o600, 0).ljust(8192, b"\0")
            yield f"openat2 {path!r} of {size}", call("openat2", HERE, path, told, size)


def paths() -> Iterator[Answer]:
    os.dup2(os.open("d", os.O_RDONLY), 200)
    os.symlink("/proc/self/fd", "own")
    odd = [b"/dev/fd/200/y", b"/proc/self/fd/200/y", b"/proc/thread-self/fd/200/y", b"own/200/y"]
    odd += [
        b"",
        b"/",
        b".",
        b"..",
        b"d/",
        b"f/",
        b"f/x",
        b"d/.",
        b"l/",
        b"no/",
        b"\xff\xfe",
        b"a\nb",
    ]
    odd += [b"\xed\xb3\xbf", b"\x0b\x1c\xc2\x85", b" \t", b"%s", b"x" * 255, b"x" * 256]
    odd += [
        b"./" * (size // 2) + b"x" * (size % 2) for size in (4000, 4093, 4095, 4096, 4097, 9999)
    ]
    for path in odd:
        told = f"{path[:20]!r} {len(path)}"
        yield f"mkdirat {told}", call("mkdirat", HERE, path, 0o700)
        yield f"mkdirat {told} again", call("mkdirat", HERE, path, 0o700)
        yield f"rmdir {told}", call("unlinkat", HERE, path, 0x200)
        yield f"openat {told}", call("openat", HERE, path, MAKE | os.O_RDWR, 0o600)
        yield f"openat {told} again", call("openat", HERE, path, MAKE, 0o600)
        yield f"linkat {told}", call("linkat", HERE, b"f", HERE, path, 0)
        yield f"renameat2 {told}", call("renameat2", HERE, path, HERE, b"new", 0)
        yield f"symlinkat {told}", call("symlinkat", b"x", HERE, path)
        yield f"unlinkat {told}", call("unlinkat", HERE, path, 0)
        yield f"unlinkat {told} again", call("unlinkat", HERE, path, 0)


def deep() -> Iterator[Answer]:
    """In a folder whose path is longer than one may be in a call."""
    for _ in range(20):
        yield "mkdirat", call("mkdirat", HERE, b"x" * 250, 0o700)
        os.chdir("x" * 250)
    yield "openat", call("openat", HERE, b"f", MAKE | os.O_RDWR, 0o600)
    yield "openat again", call("openat", HERE, b"f", MAKE, 0o600)
    fd = os.open("f", os.O_RDWR)
    for command in (*OFD, *POSIX):
        yield f"fcntl {command}", call("fcntl", fd, command, flock(0))
    yield "flock", call("flock", fd, 2)
    yield "unlinkat", call("unlinkat", HERE, b"f", 0)


def small() -> Iterator[Answer]:
    """As a program of 32 bits."""
    act, (address, buffer), fd = i386.i386_call(), i386.low_buffer(), os.open("f", os.O_RDWR)
    spans = [(w, s, n) for w, s, n in SPANS if max(abs(s), abs(n)) < 2**31]
    spans += [(0, 2**31 - 1, 1), (0, 2**31 - 1, 2), (0, 0, -(2**31)), (1, 2**31 - 1, 1)]
    for number, command in itertools.product((55, 221), (*OFD, *POSIX, 12, 13, 14)):
        layout = "=hhiii" if command in POSIX else "=hhqqi"
        for kind, span in itertools.product((0, 1, 2, 3), SPANS if layout == "=hhqqi" else spans):
            struct.pack_into(layout, buffer, 0, kind, *span, 0)
            yield f"{number} {command} {kind} {span}", act(number, fd, command, address)
            struct.pack_into("=hhqqi", buffer, 0, 2, 0, 0, 0, 0)
            act(221, fd, 13, address), act(221, fd, 37, address)
        for at in (0, 8, -1, -8, -(2**31)):
            yield f"{number} {command} at {at}", act(number, fd, command, at)
        yield f"{number} {command} closed", act(number, 99, command, address)
    for operation in (1, 2, 3, 6, 8, 32, -1):
        yield f"flock {operation}", act(143, fd, operation, 0)


def x32() -> Iterator[Answer]:
    """By the numbers of an ABI that most kernels do not have."""
    fd = os.open("f", os.O_RDWR)
    for command in (*OFD, *POSIX):
        yield f"{command}", call("fcntl", fd, command, flock(2), abi=X32)
    yield "flock", call("flock", fd, 6, abi=X32)
    yield "mkdirat", call("mkdirat", HERE, b"new", 0o700, abi=X32)
    yield "mkdirat of what is there", call("mkdirat", HERE, b"d", 0o700, abi=X32)


def many() -> Iterator[Answer]:
    """More locks of one process on a file than Python has frames."""
    fd = os.open("f", os.O_RDWR)
    taken = [call("fcntl", fd, 6, flock(1, 0, 2 * place)) for place in range(1100)]
    yield "lock each other byte", min(taken)
    yield "lock all", call("fcntl", fd, 6, flock(0, length=0))
    yield "unlock all", call("fcntl", fd, 6, flock(2, length=0))


KINDS: dict[str, Callable[[], Iterator[Answer]]] = {
    "OFD": lambda: records(OFD),
    "POSIX": lambda: records(POSIX),
    **{
        each.__name__: each
        for each in (pointers, descriptors, flags, paths, deep, small, x32, many)
    },
}


def main(kind: str) -> None:
    with open("f", "wb") as file:
        file.write(bytes(1000))
    os.mkdir("d")
    os.symlink("nowhere", "l")
    top = os.getcwd()
    for told, answer in KINDS[kind]():
        print(f"{told}: {errno.errorcode[-answer] if answer else 'ok'}")
    os.chdir(top)
    for folder, folders, files in sorted(os.walk(b".")):
        print(f"{folder[:99]!r} {sorted(folders)} {sorted(files)}")


if __name__ == "__main__":
    main(sys.argv[1])
