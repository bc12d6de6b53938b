# SPDX-License-Identifier: GPL-2.0-or-later
"""An NBD server (fixed newstyle, without structured replies) for exports of named nodes."""

from __future__ import annotations

import errno
import os
import socket
import struct

from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.common.sockets import bind_path
from goldlock.embedded.qcow2.node import Qcow2Node

Exports = dict[str, tuple[Edge, bool]]
"""By name: the user of a node that an export is, and whether clients may write."""

_MAGIC = 0x4E42444D41474943
_OPTION_MAGIC = 0x49484156454F5054
_REPLY_MAGIC = 0x0003E889045565A9
_REQUEST_MAGIC = 0x25609513
_ANSWER_MAGIC = 0x67446698
_EXPORT_NAME, _ABORT, _LIST, _INFO, _GO = 1, 2, 3, 6, 7
_ACK, _SERVER, _INFO_REPLY = 1, 2, 3
_UNSUPPORTED, _UNKNOWN, _INVALID = 0x80000001, 0x80000006, 0x80000003
_HAS_FLAGS, _READ_ONLY, _SEND_FLUSH, _SEND_TRIM, _SEND_ZEROES = 1, 2, 4, 32, 64
_READ, _WRITE, _FLUSH, _TRIM, _ZEROES = 0, 1, 3, 4, 6
_MAX_OPTION = 4096
_MAX_REQUEST = 32 << 20


class Client:
    """One connection; what has come of an unfinished message waits in `buffer`."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = b""
        self.flags_seen = False
        self.no_zeroes = False
        self.export: Edge | None = None
        self.name = ""
        self.writable = False
        connection.sendall(struct.pack(">8sQH", b"NBDMAGIC", _OPTION_MAGIC, 3))


class Server:
    """The server behind nbd-server-start: one listening socket, exports by name."""

    def __init__(self, exports: Exports, listener: socket.socket, path: str) -> None:
        self.exports = exports
        self.listener = listener
        self.path = path
        self.clients: dict[int, Client] = {}

    @classmethod
    def listen(cls, exports: Exports, kind: str, data: dict[str, object]) -> Server:
        """Listen on a UNIX socket (`path`) or a TCP port (`host`, `port`)."""
        path = str(data.get("path", "")) if kind == "unix" else ""
        listener = bind_path(path) if kind == "unix" else _bind_port(data)
        listener.listen(16)
        return cls(exports, listener, path)

    def descriptors(self) -> list[int]:
        """Return what to wait on."""
        return [self.listener.fileno(), *self.clients]

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        for fd in list(self.clients):
            self._drop(fd)
        self.listener.close()
        if self.path and os.path.exists(self.path):  # noqa: PTH110 - pathlib costs start-up
            os.unlink(self.path)  # noqa: PTH108

    def _drop(self, fd: int) -> None:
        client = self.clients.pop(fd, None)
        if client is not None:
            client.connection.close()

    def serve(self, fd: int) -> None:
        """Take a new client, or read from one and answer what is complete."""
        if fd == self.listener.fileno():
            connection, _ = self.listener.accept()
            self.clients[connection.fileno()] = Client(connection)
            return
        client = self.clients.get(fd)
        if client is None:
            return
        try:
            data = client.connection.recv(1 << 18)
            client.buffer += data
            if not data or not self._progress(client):
                self._drop(fd)
        except (OSError, ValueError):
            self._drop(fd)

    def _progress(self, client: Client) -> bool:
        """Answer every whole message that has come; False ends the connection."""
        while True:
            before = len(client.buffer)
            step = self._option if client.export is None else self._request
            if not step(client):
                return False
            if len(client.buffer) == before:
                return True

    def _option(self, client: Client) -> bool:
        if not client.flags_seen:
            if len(client.buffer) < 4:
                return True
            flags = struct.unpack_from(">I", client.buffer)[0]
            client.flags_seen, client.no_zeroes = True, bool(flags & 2)
            client.buffer = client.buffer[4:]
        if len(client.buffer) < 16:
            return True
        magic, option, length = struct.unpack_from(">QII", client.buffer)
        if magic != _OPTION_MAGIC or length > _MAX_OPTION:
            return False
        if len(client.buffer) < 16 + length:
            return True
        body = client.buffer[16 : 16 + length]
        client.buffer = client.buffer[16 + length :]
        return self._answer_option(client, option, body)

    def _answer_option(self, client: Client, option: int, body: bytes) -> bool:
        if option == _ABORT:
            _reply(client, option, _ACK)
            return False
        if option == _LIST:
            for name in self.exports:
                encoded = name.encode()
                _reply(client, option, _SERVER, struct.pack(">I", len(encoded)) + encoded)
            _reply(client, option, _ACK)
            return True
        if option == _EXPORT_NAME:
            if not self._choose(client, body.decode("utf-8", "replace")):
                return False
            assert client.export is not None
            tail = b"" if client.no_zeroes else bytes(124)
            size = client.export.node.size
            client.connection.sendall(struct.pack(">QH", size, _flags(client)) + tail)
            return True
        if option in (_INFO, _GO):
            return self._info(client, option, body)
        _reply(client, option, _UNSUPPORTED)
        return True

    def _info(self, client: Client, option: int, body: bytes) -> bool:
        length = struct.unpack_from(">I", body)[0] if len(body) >= 6 else -1
        if length < 0 or 4 + length > len(body):
            _reply(client, option, _INVALID)
            return True
        if not self._choose(client, body[4 : 4 + length].decode("utf-8", "replace")):
            _reply(client, option, _UNKNOWN)
            return True
        assert client.export is not None
        size = client.export.node.size
        _reply(client, option, _INFO_REPLY, struct.pack(">HQH", 0, size, _flags(client)))
        _reply(client, option, _INFO_REPLY, struct.pack(">HIII", 3, 1, 4096, _MAX_REQUEST))
        _reply(client, option, _ACK)
        if option == _INFO:
            client.export = None
        return True

    def _choose(self, client: Client, name: str) -> bool:
        if not name and len(self.exports) == 1:
            name = next(iter(self.exports))
        if name not in self.exports:
            return False
        client.export, client.writable = self.exports[name]
        client.name = name
        return True

    def _request(self, client: Client) -> bool:
        if len(client.buffer) < 28:
            return True
        magic, _, kind, handle, offset, length = struct.unpack_from(">IHHQQI", client.buffer)
        if magic != _REQUEST_MAGIC or length > _MAX_REQUEST:
            return False
        body = length if kind == 1 else 0
        if len(client.buffer) < 28 + body:
            return True
        data = client.buffer[28 : 28 + body]
        client.buffer = client.buffer[28 + body :]
        if kind == 2 or client.name not in self.exports:
            return False
        code, answer = _serve_request(client, kind, offset, length, data)
        client.connection.sendall(struct.pack(">IIQ", _ANSWER_MAGIC, code, handle) + answer)
        return True


def _flags(client: Client) -> int:
    if not client.writable:
        return _HAS_FLAGS | _SEND_FLUSH | _READ_ONLY
    return _HAS_FLAGS | _SEND_FLUSH | _SEND_TRIM | _SEND_ZEROES


def _reply(client: Client, option: int, kind: int, data: bytes = b"") -> None:
    header = struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(data))
    client.connection.sendall(header + data)


def _serve_request(
    client: Client, kind: int, offset: int, length: int, data: bytes
) -> tuple[int, bytes]:
    """Carry out one request; return NBD's error number (0: none) and the data read."""
    assert client.export is not None
    node = client.export.node
    code = 0
    if kind not in (_READ, _WRITE, _FLUSH, _TRIM, _ZEROES):
        code = errno.EINVAL
    elif offset + length > node.size:
        code = errno.ENOSPC if kind == _WRITE else errno.EINVAL
    elif kind not in (_READ, _FLUSH) and not client.writable:
        code = errno.EPERM
    if code:
        return code, b""
    try:
        if kind == _READ:
            return 0, node.read(offset, length)
        _change(node, kind, offset, length, data)
    except (BlockError, OSError):
        return errno.EIO, b""
    return 0, b""


def _change(node: Node, kind: int, offset: int, length: int, data: bytes) -> None:
    if kind == _WRITE:
        node.write(offset, data)
    elif kind == _TRIM and isinstance(node, Qcow2Node):
        node.discard(offset, length)
    elif kind == _ZEROES and isinstance(node, Qcow2Node):
        node.write_zeroes(offset, length)
    elif kind == _ZEROES:
        for at in range(0, length, 1 << 20):
            node.write(offset + at, bytes(min(1 << 20, length - at)))


def _bind_port(data: dict[str, object]) -> socket.socket:
    host, port = str(data.get("host", "")), str(data.get("port", "10809"))
    try:
        found = socket.getaddrinfo(
            host or None, port or None, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
        )
    except (OSError, ValueError) as failure:
        why = getattr(failure, "strerror", None) or failure
        raise BlockError(f"address resolution failed for {host}:{port}: {why}") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as failure:
        raise BlockError(f"Failed to bind socket: {failure.strerror}") from None
    return listener
