#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program where a system call is refused, as by a container, a sandbox or an old kernel.

usage: refuse.py NUMBER ERRNO PROGRAM [ARGUMENT ...]

A seccomp filter of our own, which all that the program starts inherits. The program sees the call
fail from its own first instruction on: whether the program can live with that, it has to show.
"""

import ctypes
import errno
import os
import struct
import sys

_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def refuse(number: int, code: int) -> None:
    """Have a system call fail with an errno from now on, here and in all that is started."""
    lines = [(_LOAD, 0, 0, 0), (_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | code)]
    text = b"".join(struct.pack("=HBBI", *line) for line in [*lines, (_RETURN, 0, 0, _ALLOW)])
    buffer = ctypes.create_string_buffer(text, len(text))
    program = struct.pack("@H6xP", 4, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(_SET_SECCOMP, _FILTER, program):
        raise OSError(ctypes.get_errno(), "no filter can be set")


if __name__ == "__main__":
    refuse(int(sys.argv[1]), getattr(errno, sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
