# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors on UNIX sockets: `unix:PATH[,server=on|off][,wait=on|off]`."""

from __future__ import annotations

import socket

from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.common.sockets import bind_path, connect_path


class Listener:
    """A listening socket (None for a connection that we made), and the one client it has."""

    def __init__(self, server: socket.socket | None, kind: str) -> None:
        self.server = server
        self.kind = kind
        self.client: socket.socket | None = None

    def accept(self) -> None:
        """Wait for the next client."""
        assert self.server is not None
        self.client, _ = self.server.accept()

    def disconnect(self) -> None:
        """Close the connection."""
        if self.client is not None:
            self.client.close()
            self.client = None


def listen(text: str, kind: str) -> Listener:
    """Listen at (or connect to) the socket that `text` describes; with `wait`, until one comes."""
    options = opts.parse(text, "path")
    path = options.get("path", "")
    if not path:
        raise BlockError("chardev: socket: no path given")
    if not opts.switch("server", options.get("server", "off")):
        listener = Listener(None, kind)
        listener.client = connect_path(path)
        return listener
    endpoint = bind_path(path)
    try:
        endpoint.listen(1)
    except OSError as failure:
        raise BlockError(f"Failed to listen on socket: {failure.strerror}") from None
    listener = Listener(endpoint, kind)
    if opts.switch("wait", options.get("wait", "on")):
        listener.accept()
    return listener
