# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of the C library, without what the package ctypes puts around them.

A supervisor starts ahead of programs that live 10 ms, and to load ctypes takes 2.
"""

import _ctypes
import os


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]  # it takes none at run time
    _type_ = "i"


class _Bytes(_ctypes._SimpleCData):  # type: ignore[type-arg]  # it takes none at run time
    _type_ = "z"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


_itself = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: this process
prctl = _Function(_ctypes.dlsym(_itself, "prctl"))
"""As prctl(2): of integers and bytes; -1 if it failed."""
syscall = _Function(_ctypes.dlsym(_itself, "syscall"))
"""As syscall(2), for calls that return an int: of integers and bytes; -1 if it failed."""
errno = _ctypes.get_errno
"""Return the errno of this thread's last call that failed."""


def error() -> OSError:
    """Return what went wrong in this thread's last call that failed."""
    return OSError(errno(), os.strerror(errno()))


def pointer(data: bytes) -> bytes:
    """Return the address of bytes as it is in memory, for a struct; it lives as long as they."""
    return bytes(_Bytes(data))
