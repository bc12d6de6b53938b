# SPDX-License-Identifier: GPL-2.0-or-later
"""A tiny program that makes lock calls: locker.py FILE STEP ...

Steps: lock:B, write:B (a write lock), wait:B (a write lock, waiting), unlock:B, test:B, each also
with "posix-" before it; B may be FIRST-LAST, end-N or cur-N (N bytes before the end, or where
it is in the file), FIRST- (to the end), or left out (all).  probe, as QEMU does, of /dev/null.
flock:O of shared, exclusive, unlock, and of wait: exclusive, waiting.  seek:N.
thread, fork, daemon: the steps that follow happen there.  input: wait for a line or the end.
exit:N.  name:X: be called X.
What a call returned is printed; a test prints the struct flock that came back.
"""

import errno
import fcntl
import os
import struct
import sys
import threading
from pathlib import Path

FLOCK = "@hhqqi4x"
TYPES = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "none"}


FLOCKS = {
    "shared": fcntl.LOCK_SH | fcntl.LOCK_NB,
    "exclusive": fcntl.LOCK_EX | fcntl.LOCK_NB,
    "unlock": fcntl.LOCK_UN,
    "wait": fcntl.LOCK_EX,
}


def name_of(error: OSError) -> str:
    return "EDEADLK" if error.errno == errno.EDEADLK else errno.errorcode[error.errno or 0]


def flock(fd: int, how: str) -> str:
    try:
        fcntl.flock(fd, FLOCKS[how])
    except OSError as error:
        return name_of(error)
    return "ok"


def call(fd: int, step: str) -> str:
    name, _, where = step.removeprefix("posix-").partition(":")
    if name == "flock":
        return flock(fd, where)
    if name == "seek":
        os.lseek(fd, int(where), os.SEEK_SET)
        return "ok"
    if name == "probe":
        fd = os.open("/dev/null", os.O_RDWR)
    posix = step.startswith("posix-")
    kind = {"lock": fcntl.F_RDLCK, "unlock": fcntl.F_UNLCK}.get(name, fcntl.F_WRLCK)
    get, put, wait = (
        (fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW)
        if posix
        else (fcntl.F_OFD_GETLK, fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW)
    )
    command = get if name in ("test", "probe") else wait if name == "wait" else put
    whence, start, length = os.SEEK_SET, 0, 0
    if where.startswith(("end-", "cur-")):
        whence = os.SEEK_END if where.startswith("end") else os.SEEK_CUR
        start, length = -int(where[4:]), 1
    elif where:
        first, dash, last = where.partition("-")
        start, length = int(first), int(last or first) - int(first) + 1 if last or not dash else 0
    try:
        back = fcntl.fcntl(fd, command, struct.pack(FLOCK, kind, whence, start, length, 0))
    except OSError as error:
        return name_of(error)
    if command != get:
        return "ok"
    kind, whence, start, length, owner = struct.unpack(FLOCK, back)
    return f"{TYPES[kind]} {whence} {start} {length} {owner}"


def perform(fd: int, steps: list[str]) -> None:
    for number, step in enumerate(steps):
        rest = steps[number + 1 :]
        if step == "thread":
            thread = threading.Thread(target=perform, args=(fd, rest))
            thread.start()
            thread.join()
            return
        if step == "fork" and (child := os.fork()):
            os.waitpid(child, 0)
            return
        if step == "daemon":
            if os.fork():
                return
            os.setsid()
        elif step == "input":
            os.read(0, 1)
        elif step.startswith("name:"):
            Path("/proc/self/comm").write_text(step[5:])
        elif step.startswith("exit:"):
            os._exit(int(step[5:]))
        elif step != "fork":
            os.write(1, f"{step}: {call(fd, step)}\n".encode())


if __name__ == "__main__":
    perform(os.open(sys.argv[1], os.O_RDWR), sys.argv[2:])
