# SPDX-License-Identifier: GPL-2.0-or-later
r"""Line breaks, white space, and the words that the C library puts in."""

import re

# What C libraries say of the errnos that a lock call can fail with: those of fcntl(2), and those
# that network and user-space file systems add. glibc's words come first, then musl's where they
# are others; older glibc names NFS.
_WORDS = {
    "EACCES": ("Permission denied",),
    "EAGAIN": ("Resource temporarily unavailable",),
    "EBADF": ("Bad file descriptor",),
    "EDEADLK": ("Resource deadlock avoided", "Resource deadlock would occur"),
    "EFAULT": ("Bad address",),
    "EINTR": ("Interrupted system call",),
    "EINVAL": ("Invalid argument",),
    "EIO": ("Input/output error", "I/O error"),
    "ENOLCK": ("No locks available",),
    "ENOMEM": ("Cannot allocate memory", "Out of memory"),
    "ENOSYS": ("Function not implemented",),
    "ENOTSUP": ("Operation not supported", "Not supported"),
    "EOVERFLOW": ("Value too large for defined data type", "Value too large for data type"),
    "EPERM": ("Operation not permitted",),
    "ESTALE": ("Stale file handle", "Stale NFS file handle"),
}
_ERRNOS = {text: name for name, texts in _WORDS.items() for text in texts}
_STRERROR = re.compile(rf"(?<=: )(?:{'|'.join(_ERRNOS)})(?=$|[\r\\\"])", re.M)


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


def trailing_blanks(text: str) -> str:
    r"""Drop blanks and tabs at line ends.

    before: ``Round done  \n``
    after:  ``Round done\n``
    """
    return re.sub(r"[ \t]+(?=\n|\Z)", "", text)


def errno_names(text: str) -> str:
    r"""Write the name of an errno for what strerror says of it after the last colon.

    C libraries have different words for the same errno. Only those errnos are known that a
    lock call can fail with.

    before: ``Failed to lock byte 101: Input/output error``
    after:  ``Failed to lock byte 101: EIO``
    """
    return _STRERROR.sub(lambda found: _ERRNOS[found[0]], text)
