# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes at the bottom and without a format: file, null-co and raw."""

from __future__ import annotations

import os
import stat

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Node, next_node_name
from goldlock.embedded.block.locks import (
    ALL,
    RESIZE,
    WRITERS,
    ImageLocks,
    check,
    locking_wanted,
    ofd_available,
    release_all,
    take,
)
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, not_served

SECTOR = 512
_ZEROES = bytes(65536)


def zeroes(length: int) -> bytes:
    """Return `length` zero bytes; up to 64 KiB without a new allocation of contents."""
    return _ZEROES[:length] if length <= len(_ZEROES) else bytes(length)


class FileNode(Node):
    """A file of the host, with the locks of its permissions on the open descriptor."""

    driver = "file"

    def __init__(
        self, filename: str, *, read_only: bool, auto_read_only: bool = False, locking: str = "auto"
    ) -> None:
        super().__init__(filename)
        self.read_only = read_only
        self.auto_read_only = auto_read_only
        self.use_locks = locking_wanted(locking)
        self.locks = ImageLocks()
        self.fd = -1
        self._next_fd = -1
        self._next_writable = False
        self._renewing = self._renewed = False
        self._writable = not read_only and not auto_read_only
        self.fd = self._open(self._writable)

    def _open(self, writable: bool) -> int:
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
        try:
            fd = os.open(self.filename, flags)
        except OSError as failure:
            raise report.os_error(f"Could not open '{self.filename}'", failure.errno or 0) from None
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
                raise not_served(f"A device as an image ('{self.filename}')")
            raise BlockError(f"'file' driver requires '{self.filename}' to be a regular file")
        return fd

    @property
    def length(self) -> int:
        """Length of the file in bytes."""
        return os.fstat(self.fd).st_size

    @property
    def size(self) -> int:
        """Length in whole sectors, in bytes: what a node shows to its users."""
        return (self.length + SECTOR - 1) // SECTOR * SECTOR

    def read(self, offset: int, length: int) -> bytes:
        """Read `length` bytes; what lies past the end of the file reads as zeroes."""
        parts = []
        while length:
            data = os.pread(self.fd, length, offset)
            if not data:
                parts.append(zeroes(length))
                break
            parts.append(data)
            offset += len(data)
            length -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self.fd, view, offset)
            view = view[done:]
            offset += done

    def truncate(self, length: int) -> None:
        os.ftruncate(self.fd, length)

    def renew(self) -> None:
        """Take a new descriptor with the same locks, if the present one is that of an open.

        QEMU does so at a reopen of qcow2, and stays with the old one where it cannot be.
        """
        self._renewing = self._writable and not self._renewed
        try:
            graph.refresh(self)
        except BlockError:
            pass
        else:
            self._renewed = True
        finally:
            self._renewing = False

    @property
    def _locks_now(self) -> bool:
        # As QEMU has it: what is given up to another process keeps the locks it then had.
        return self.use_locks and not self.inactive

    def prepare(self, perm: int, shared: int) -> None:
        writable = not self.read_only and (not self.auto_read_only or bool(perm & WRITERS))
        if writable != self._writable or self._renewing:
            try:
                self._next_fd = self._open(writable)
                self._next_writable = writable
            except BlockError:
                if writable or self.read_only:
                    raise
                # Loosening must not fail: the file may be gone by now.
        if not self._locks_now:
            return
        try:
            # On the old descriptor first: the new one would conflict with it.
            self.locks.prepare(self.fd, perm, shared, self.filename)
            if self._next_fd >= 0:
                self._copy_locks(perm, shared)
        except BlockError:
            self._drop_next()
            raise

    def _copy_locks(self, perm: int, shared: int) -> None:
        try:
            take(self._next_fd, perm, shared)
        except BlockError:
            self.locks.abort(self.fd)
            raise

    def _drop_next(self) -> None:
        if self._next_fd >= 0:
            os.close(self._next_fd)
            self._next_fd = -1

    def commit(self, perm: int, shared: int) -> None:
        if self._next_fd >= 0:
            os.close(self.fd)
            self.fd, self._next_fd = self._next_fd, -1
            self._writable, self._renewed = self._next_writable, False
        if self._locks_now:
            self.locks.commit(self.fd, perm, shared)

    def abort(self) -> None:
        self._drop_next()
        if self._locks_now:
            self.locks.abort(self.fd)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def create_file(filename: str, length: int) -> None:
    """Create or empty a file and give it `length` bytes, under the locks of a creator.

    QEMU's file driver uses write and resize and does not share resize: a file that
    another process holds open is left untouched, and BlockError says so.
    """
    try:
        fd = os.open(filename, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as failure:
        raise report.os_error(f"Could not create '{filename}'", failure.errno or 0) from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise not_served(f"An image that is no file ('{filename}')")
        ofd_available()  # a creator always locks; this settles with which kind
        used, shared = 0b1010, ALL & ~RESIZE
        take(fd, used, shared)
        try:
            check(fd, used, shared)
            os.ftruncate(fd, 0)
            os.ftruncate(fd, length)
        except BlockError as failure:
            failure.hint = f"Is another process using the image [{filename}]?\n"
            raise
        except OSError as failure:
            raise report.os_error("Could not resize file", failure.errno or 0) from None
        finally:
            release_all(fd)
    finally:
        os.close(fd)


class NullNode(Node):
    """A node of zeroes that no file stands behind (null-co): 1 GiB unless `size` says more."""

    driver = "null-co"
    SIZE = 1 << 30

    def __init__(self, filename: str, size: int = SIZE) -> None:
        super().__init__(filename)
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:  # noqa: ARG002 - the driver interface
        raise not_served("Reading of null-co, which gives what was in memory,")

    def write(self, offset: int, data: bytes) -> None:
        """Take any data and keep none of it."""


class RawNode(Node):
    """The raw format: the bytes of its storage, permissions passed through unchanged."""

    driver = "raw"

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.name = next_node_name()
        self.probed = False  # then only whole sectors are written

    @property
    def storage(self) -> Node:
        if self.file is None:
            raise BlockError('A block device must be specified for "file"')
        return self.file.node

    @property
    def size(self) -> int:
        return self.storage.size

    def read(self, offset: int, length: int) -> bytes:
        return self.storage.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        if self.probed:
            head, tail = offset % SECTOR, -(offset + len(data)) % SECTOR
            before = self.read(offset - head, head) if head else b""
            after = self.read(offset + len(data), tail) if tail else b""
            offset, data = offset - head, b"".join((before, data, after))
        self.storage.write(offset, data)
