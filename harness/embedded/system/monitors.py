# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors on UNIX sockets: `unix:PATH[,server=on|off][,wait=on|off]`."""

from __future__ import annotations

import errno
import os
import socket

from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.system.main import Loop

_MOST_PATH = 108  # bytes, of which one ends the path


class Listener:
    """A listening socket, or the one connection taken from it; one client at a time."""

    def __init__(self, server: socket.socket | None, kind: str, path: str) -> None:
        self.server = server
        self.kind = kind
        self.path = path
        self.client: socket.socket | None = None

    def accept(self, loop: Loop) -> None:
        """Take the next client."""
        assert self.server is not None
        self.client, _ = self.server.accept()
        loop.listeners.pop(self.server.fileno(), None)
        self.serve(loop)

    def serve(self, loop: Loop) -> None:
        """Speak to the client that is connected."""
        assert self.client is not None
        fd = self.client.fileno()
        loop.listeners[fd] = self
        loop.add_session(fd, fd, self.kind)

    def hang_up(self, loop: Loop) -> None:
        """Close the connection and listen again."""
        if self.client is not None:
            self.client.close()
            self.client = None
        if self.server is not None:
            loop.listeners[self.server.fileno()] = self


def listen(loop: Loop, text: str, kind: str) -> None:
    """Listen at (or connect to) the socket that `text` describes."""
    options = opts.parse(text, "path")
    path = options.get("path", "")
    if not path:
        raise BlockError("chardev: socket: no path given")
    if not opts.switch("server", options.get("server", "off")):
        listener = Listener(None, kind, path)
        listener.client = _connect(path)
        listener.serve(loop)
        return
    endpoint = bind_path(path)
    try:
        endpoint.listen(1)
    except OSError as failure:
        raise BlockError(f"Failed to listen on socket: {failure.strerror}") from None
    listener = Listener(endpoint, kind, path)
    if opts.switch("wait", options.get("wait", "on")):
        listener.accept(loop)
    else:
        loop.listeners[endpoint.fileno()] = listener


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


def _connect(path: str) -> socket.socket:
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
        hint = f"Path must be less than {_MOST_PATH} bytes"
        raise BlockError(f"UNIX socket path '{path}' is too long", hint)
    return encoded
