# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors on UNIX sockets: `unix:PATH[,server=on|off][,wait=on|off]`."""

from __future__ import annotations

import socket

from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, not_served
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


def listen(options: opts.Options, kind: str) -> Listener:
    """Listen at (or connect to) the socket of these options; with `wait`, until a client comes."""
    path = options.pop("path", "")
    server = opts.take_switch(options, "server", False)
    wait = opts.take_switch(options, "wait", True)
    if options or not path:
        raise not_served(f"A socket with '{next(iter(options), 'no path')}'")
    if not server:
        listener = Listener(None, kind)
        listener.client = connect_path(path)
        return listener
    endpoint = bind_path(path)
    try:
        endpoint.listen(1)
    except OSError as failure:
        raise BlockError(f"Failed to listen on socket: {failure.strerror}") from None
    listener = Listener(endpoint, kind)
    if wait:
        report.info(f"QEMU waiting for connection on: disconnected:unix:{path},server=on")
        listener.accept()
    return listener
