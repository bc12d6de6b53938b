# SPDX-License-Identifier: GPL-2.0-or-later
"""The NBD server behind nbd-server-start: it is there, and its exports hold their permissions.

Clients are not served: each is refused by name, and hung up on.
"""

from __future__ import annotations

import os
import socket

from goldlock.embedded.common import report
from goldlock.embedded.common.report import not_served
from goldlock.embedded.common.sockets import bind_path


class Server:
    """A listening UNIX socket."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.listener: socket.socket = bind_path(path)
        self.listener.listen(16)

    def close(self) -> None:
        """Stop listening."""
        self.listener.close()
        if os.path.exists(self.path):  # noqa: PTH110 - pathlib costs start-up
            os.unlink(self.path)  # noqa: PTH108

    def refuse(self) -> None:
        """Hang up on a client that has come."""
        connection, _ = self.listener.accept()
        connection.close()
        report.error(not_served("A client of the NBD server").message)
