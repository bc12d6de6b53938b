# SPDX-License-Identifier: GPL-2.0-or-later
r"""Line breaks, and the words that the C library puts in."""

import errno
import os
import re
from functools import cache

# Where C libraries differ: glibc's words, then musl's; of NFS those of an older glibc. All others
# are asked of this system's library: a golden must hold whatever the program was built with.
_OTHER_WORDS = {
    "EADDRINUSE": ("Address already in use", "Address in use"),
    "EADDRNOTAVAIL": ("Cannot assign requested address", "Address not available"),
    "EBUSY": ("Device or resource busy", "Resource busy"),
    "ECHILD": ("No child processes", "No child process"),
    "ECONNABORTED": ("Software caused connection abort", "Connection aborted"),
    "EDEADLK": ("Resource deadlock avoided", "Resource deadlock would occur"),
    "EDOM": ("Numerical argument out of domain", "Domain error"),
    "EDQUOT": ("Disk quota exceeded", "Quota exceeded"),
    "EHOSTUNREACH": ("No route to host", "Host is unreachable"),
    "EILSEQ": ("Invalid or incomplete multibyte or wide character", "Illegal byte sequence"),
    "EINPROGRESS": ("Operation now in progress", "Operation in progress"),
    "EIO": ("Input/output error", "I/O error"),
    "EISCONN": ("Transport endpoint is already connected", "Socket is connected"),
    "ELOOP": ("Too many levels of symbolic links", "Symbolic link loop"),
    "EMFILE": ("Too many open files", "No file descriptors available"),
    "EMSGSIZE": ("Message too long", "Message too large"),
    "ENAMETOOLONG": ("File name too long", "Filename too long"),
    "ENETRESET": ("Network dropped connection on reset", "Connection reset by network"),
    "ENETUNREACH": ("Network is unreachable", "Network unreachable"),
    "ENOMEM": ("Cannot allocate memory", "Out of memory"),
    "ENOTCONN": ("Transport endpoint is not connected", "Socket not connected"),
    "ENOTSOCK": ("Socket operation on non-socket", "Not a socket"),
    "ENOTSUP": ("Operation not supported", "Not supported"),
    "ENOTTY": ("Inappropriate ioctl for device", "Not a tty"),
    "EOVERFLOW": ("Value too large for defined data type", "Value too large for data type"),
    "EOWNERDEAD": ("Owner died", "Previous owner died"),
    "ERANGE": ("Numerical result out of range", "Result not representable"),
    "ESHUTDOWN": (
        "Cannot send after transport endpoint shutdown",
        "Cannot send after socket shutdown",
    ),
    "ESPIPE": ("Illegal seek", "Invalid seek"),
    "ESTALE": ("Stale file handle", "Stale NFS file handle"),
    "ETIME": ("Timer expired", "Device timeout"),
    "ETIMEDOUT": ("Connection timed out", "Operation timed out"),
    "EXDEV": ("Invalid cross-device link", "Cross-device link"),
}
_OTHER_NAMES = {"EDEADLOCK": "EDEADLK", "EOPNOTSUPP": "ENOTSUP"}  # of Python, for the same number


# Quicker to compile than all texts, of which one has a colon.
_LAST_WORDS = r"(?m)(?<=: )(?:Too many references: )?[^:\r\n\\\"]+(?=$|[\r\\\"])"


@cache
def _errnos() -> dict[str, str]:
    """Return the name of each errno by what strerror says of it, here and elsewhere."""
    here = {os.strerror(code): name for code, name in errno.errorcode.items()}
    named = {text: _OTHER_NAMES.get(name, name) for text, name in here.items()}
    return named | {text: name for name, texts in _OTHER_WORDS.items() for text in texts}


def one_line(text: str) -> str:
    r"""Fold each line break, with the blanks around it, into one blank.

    A JSON command that is written over several lines is shown on one.

    before: ``{ 'execute': 'quit',\n       'id': 1 }``
    after:  ``{ 'execute': 'quit', 'id': 1 }``
    """
    return re.sub(r"[ \t]*\n\s*", " ", text.strip("\n"))


def carriage_returns(text: str) -> str:
    r"""Drop the carriage returns before line ends; monitors write ``\r\n``.

    before: ``(qemu) quit\r\n``
    after:  ``(qemu) quit\n``
    """
    return re.sub(r"\r+(?=\n|\Z)", "", text)


def errno_names(text: str) -> str:
    r"""Write the name of an errno for what strerror says of it after the last colon.

    C libraries have different words for the same errno. All errnos of this system are known.

    before: ``Failed to lock byte 101: Input/output error``
    after:  ``Failed to lock byte 101: EIO``
    """
    return re.sub(_LAST_WORDS, lambda found: _errnos().get(found[0], found[0]), text)
