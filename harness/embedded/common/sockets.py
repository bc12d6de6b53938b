# SPDX-License-Identifier: GPL-2.0-or-later
"""UNIX sockets, bound and connected to with QEMU's messages."""

from __future__ import annotations

import errno
import os
import socket

from goldlock.embedded.common.report import BlockError

_MOST_PATH = 108  # bytes, of which one ends the path


def bind_path(path: str) -> socket.socket:
    """Return a socket bound to `path` in place of what is there; BlockError says why not."""
    encoded = _encoded(path)
    try:
        os.unlink(encoded)  # noqa: PTH108 - as QEMU does; pathlib costs start-up
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise BlockError(f"Failed to unlink socket {path}: {failure.strerror}") from None
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        endpoint.bind(encoded)
    except OSError as failure:
        raise BlockError(f"Failed to bind socket to {path}: {failure.strerror}") from None
    return endpoint


def connect_path(path: str) -> socket.socket:
    encoded = _encoded(path)
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        endpoint.connect(encoded)
    except OSError as failure:
        raise BlockError(f"Failed to connect to '{path}': {failure.strerror}") from None
    return endpoint


def _encoded(path: str) -> bytes:
    encoded = os.fsencode(path).replace(b"\0", b"\xc0\x80")  # how QEMU's strings hold U+0000
    if len(encoded) >= _MOST_PATH:
        hint = f"Path must be less than {_MOST_PATH} bytes\n"
        raise BlockError(f"UNIX socket path '{path}' is too long", hint)
    return encoded
