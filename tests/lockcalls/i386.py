# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls as programs of 32 bits make them, on x86_64."""

import ctypes
import mmap
import os
from collections.abc import Callable
from functools import cache

_MAP_32BIT = 0x40
_kept: list[mmap.mmap] = []


def i386_call() -> Callable[[int, int, int, int], int]:
    """Return a function of a call's number and three arguments; an error is below 0."""
    # push rbx; mov eax, edi; mov ebx, esi; mov r8d, ecx; mov ecx, edx; mov edx, r8d;
    # int 0x80; pop rbx; ret
    code = bytes.fromhex("53 89f8 89f3 4189c8 89d1 4489c2 cd80 5b c3")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    _kept.append(memory)
    return ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 4)(address)


@cache
def is_there() -> bool:
    """Return whether this machine, and its kernel, run such programs: some end who try it."""
    if os.uname().machine != "x86_64":
        return False
    child = os.fork()
    if not child:
        os._exit(i386_call()(20, 0, 0, 0) != os.getpid())
    return os.waitpid(child, 0)[1] == 0


def low_buffer() -> tuple[int, mmap.mmap]:
    """Return memory that has an address of 32 bits, and that address."""
    memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_32BIT)
    _kept.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory)), memory
