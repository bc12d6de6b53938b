# SPDX-License-Identifier: GPL-2.0-or-later
"""A program with leases: leases.py FILE. It prints what each call returned, and who was told."""

import errno
import fcntl
import os
import signal
import sys

KINDS = {"read": fcntl.F_RDLCK, "write": fcntl.F_WRLCK, "unlock": fcntl.F_UNLCK}


def lease(fd: int, kind: str) -> None:
    result = "ok"
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, KINDS[kind])
    except OSError as error:
        result = errno.errorcode[error.errno or 0]
    has = next(k for k, v in KINDS.items() if v == fcntl.fcntl(fd, fcntl.F_GETLEASE))
    owner = fcntl.fcntl(fd, fcntl.F_GETOWN)
    whose = "none" if not owner else "own" if owner == os.getpid() else "another's"
    print(f"{kind}: {result}, has {has}, owner {whose}")  # noqa: T201 - what it is for


def main(path: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    reader = os.open(path, os.O_RDONLY)
    for kind in ("unlock", "read", "unlock", "write", "unlock"):
        lease(reader, kind)
    other = os.open(path, os.O_RDONLY)
    lease(reader, "write")
    lease(reader, "unlock")
    lease(other, "read")
    os.close(other)
    writer = os.open(path, os.O_RDWR)
    lease(reader, "read")
    os.close(writer)
    lease(reader, "read")
    sys.stdout.flush()
    if not (child := os.fork()):
        os.close(os.open(path, os.O_WRONLY))  # it waits until the lease is gone
        os._exit(0)
    signal.sigwait([signal.SIGIO])
    print("told: another opens it")  # noqa: T201 - what it is for
    lease(reader, "unlock")
    print("the other ended with", os.waitpid(child, 0)[1])  # noqa: T201 - as above
    lease(os.open("/usr", os.O_RDONLY), "read")


if __name__ == "__main__":
    main(sys.argv[1])
