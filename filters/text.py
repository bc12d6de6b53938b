r"""Line ends, white space, and the words that the C library puts in."""

import re

# What glibc and musl say of the errnos that a lock call can fail with.
_ERRNOS = {
    "Bad file descriptor": "EBADF",
    "I/O error": "EIO",
    "Input/output error": "EIO",
    "Interrupted system call": "EINTR",
    "Invalid argument": "EINVAL",
    "No locks available": "ENOLCK",
    "Permission denied": "EACCES",
    "Resource deadlock avoided": "EDEADLK",
    "Resource deadlock would occur": "EDEADLK",
    "Resource temporarily unavailable": "EAGAIN",
    "Stale NFS file handle": "ESTALE",
    "Stale file handle": "ESTALE",
}
_STRERROR = re.compile(rf"(?<=: )(?:{'|'.join(_ERRNOS)})(?=$|[\r\\\"])", re.M)


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
