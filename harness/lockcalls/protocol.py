# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's image locking protocol, in words: which byte says what.

Byte 100 + i locked means "I use permission i", byte 200 + i locked means "I do not share
permission i".  The words of this module are those of the plan language and of the trace.
"""

import errno

PERMISSIONS = ("consistent read", "write", "write unchanged", "resize")
USES = 100
UNSHARES = 200


def uses(permission: str) -> int:
    """Return the byte that says "I use this permission", e.g. 101 for "write".

    A name that QEMU does not have is a ValueError.
    """
    return USES + _index(permission)


def unshares(permission: str) -> int:
    """Return the byte that says "I do not share this permission", e.g. 201 for "write".

    A name that QEMU does not have is a ValueError.
    """
    return UNSHARES + _index(permission)


def _index(permission: str) -> int:
    if permission not in PERMISSIONS:
        raise ValueError(f'no permission "{permission}": there are {", ".join(PERMISSIONS)}')
    return PERMISSIONS.index(permission)


def words(byte: int) -> str:
    """Return what a byte says, e.g. "uses write", or "" for a byte outside the protocol."""
    for verb, base in (("uses", USES), ("unshares", UNSHARES)):
        if 0 <= byte - base < len(PERMISSIONS):
            return f"{verb} {PERMISSIONS[byte - base]}"
    return ""


def errno_name(code: int) -> str:
    """Return the name of an errno, e.g. "ENOLCK"; where it has two, the one of POSIX."""
    if code == errno.EDEADLK:  # Python calls it EDEADLOCK
        return "EDEADLK"
    return errno.errorcode.get(code, f"errno {code}")


def quote(text: str) -> str:
    r"""Return text as one word of a plan or a trace line: bare, or in quotes with \ escapes."""
    if text and text.isprintable() and not any(c in ' "\\#' for c in text):
        return text
    escapes = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
    return '"' + "".join(escapes.get(c, c) for c in text) + '"'
