#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system with one file, ``f``, whose server stops to answer when it is told to.

usage: hung_fuse.py MOUNT_POINT [--daemon]

It says ``ready``, and answers until its standard input has ended; with --daemon, which leaves the
session, until a file ``hang`` is looked for. Then it takes requests and says nothing, for `LIMIT`
seconds: who waits for an answer cannot even be killed until it has ended.

The protocol is that of linux/fuse.h.
"""

import ctypes
import os
import select
import struct
import sys

LIMIT = 100

_LOOKUP, _OPEN, _RELEASE, _INIT = 1, 14, 18, 26
_ATTRIBUTES = struct.pack("=6Q10I", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0o100666, 1, 0, 0, 0, 512, 0)
_ENTRY = struct.pack("=4Q2I", 2, 0, 0, 0, 0, 0) + _ATTRIBUTES
_ANSWERS = {
    _LOOKUP: _ENTRY,
    _OPEN: bytes(16),
    _RELEASE: b"",
    _INIT: struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 1, 1, 4096, *[0] * 11),
}


def need_fuse() -> None:
    """Skip a test where this system has no such file systems, or not for this user."""
    import pytest  # not for the server

    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")


def mount(point: str) -> int:
    """Mount the file system; return the descriptor by which it is served."""
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hung", os.fsencode(point), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"cannot be mounted on {point}")
    return fd


def serve(fd: int, told: int | None) -> None:
    """Answer until *told* can be read, or ``hang`` is looked for; then go on without a word."""
    poll = select.poll()
    for each in (fd,) if told is None else (fd, told):
        poll.register(each, select.POLLIN)
    hangs = False
    while ready := [each for each, _ in poll.poll(LIMIT * 1000)]:
        if told in ready:
            poll.unregister(told)
            hangs = True
        if fd not in ready:
            continue
        request = os.read(fd, 1 << 20)
        _, operation, number = struct.unpack_from("=IIQ", request)
        hangs |= operation == _LOOKUP and request[40:] == b"hang\0"
        if operation in _ANSWERS and not hangs:
            answer = _ANSWERS[operation]
            os.write(fd, struct.pack("=IiQ", 16 + len(answer), 0, number) + answer)


def main(point: str, *options: str) -> None:
    """Mount the file system, and serve it to the end."""
    fd = mount(point)
    if not options:
        print("ready", flush=True)  # noqa: T201 - to who started it
        serve(fd, sys.stdin.fileno())
    elif os.fork() == 0:
        os.setsid()
        serve(fd, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
