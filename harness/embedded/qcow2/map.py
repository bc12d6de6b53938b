# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading qcow2: guest clusters mapped to clusters of the file, the rest from the backing chain."""

from __future__ import annotations

import errno
import struct

from goldlock.embedded.block.files import FileNode, zeroes
from goldlock.embedded.block.graph import Node, next_node_name
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.qcow2.header import CORRUPT, DIRTY, OFFSET_MASK, Header, decode
from goldlock.embedded.qcow2.refcounts import HEADER, L1, TABLE, Refcounts, c_hex, metadata

COPIED = 1 << 63
COMPRESSED = 1 << 62
_COMPRESSED_BYTE = COMPRESSED >> 56  # in the first byte of an entry
ZERO = 1
_CACHED_TABLES = 64

# What a stretch of the guest's disk is, in this image alone.
UNALLOCATED, ZEROES, DATA = "unallocated", "zero", "data"


class Extent:
    """A stretch of the guest's disk of one kind; `host` is its place in the file, if any."""

    __slots__ = ("host", "kind", "length")

    def __init__(self, kind: str, length: int, host: int | None) -> None:
        self.kind = kind
        self.length = length
        self.host = host


class Qcow2Map(Node):
    """The part of an open qcow2 image that finds and reads what it has."""

    driver = "qcow2"
    is_format = True

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.name = next_node_name()
        self.header = Header()
        self.l1: bytearray = bytearray()
        self._tables: dict[int, bytearray] = {}
        self._refcounts: Refcounts | None = None
        self._metadata: dict[int, list[str]] | None = None
        self._unusable = False

    def open(self, checking: bool = False) -> None:
        """Read and check the header and the L1 table; BlockError says what is wrong."""
        first = self.storage.read(0, 1 << 9)
        bits = struct.unpack_from(">I", first, 20)[0]
        if 9 < bits <= 21:
            # Never more than the file has: a header may claim a cluster of 2 MiB.
            length = max(512, min(1 << bits, self.storage.size))
            first = self.storage.read(0, length)
        self.header = decode(first, checking=checking)
        if not self.read_only:
            self.check_writable()
        if not self.no_io:
            self._check_file_length()
            self.l1 = bytearray(self.storage.read(self.header.l1_offset, self.header.l1_size * 8))

    def check_writable(self) -> None:
        """Refuse to write what was damaged, or what only QEMU keeps right."""
        header = self.header
        if header.incompatible & CORRUPT:
            raise BlockError("qcow2: Image is corrupt; cannot be opened read/write")
        if header.incompatible & DIRTY:
            raise not_served("Writing a qcow2 image that was not closed")

    def _check_file_length(self) -> None:
        # QEMU reads zeroes past the end of the file; a table of which nothing is there
        # says that nothing is allocated, so this is only a bound for our memory.
        end = self.storage.size
        if self.header.l1_size * 8 > (1 << 20) and self.header.l1_offset > end:
            raise report.os_error("Could not read L1 table", 5)

    @property
    def storage(self) -> FileNode:
        node = self.file.node if self.file else None
        if not isinstance(node, FileNode):
            raise not_served(f"qcow2 on a '{node.driver if node else ''}' node")
        return node

    @property
    def size(self) -> int:
        return self.header.size // 512 * 512

    @property
    def cluster_size(self) -> int:
        return 1 << self.header.cluster_bits

    @property
    def refcounts(self) -> Refcounts:
        if self._refcounts is None:
            self._refcounts = Refcounts(
                self.storage, self.header, self._write_metadata, self._corrupt
            )
        return self._refcounts

    # --- mapping

    def _table_offset(self, index: int) -> tuple[int, bool]:
        """Return where L2 table `index` lies (0: nowhere), and whether it is ours alone."""
        if index * 8 >= len(self.l1):
            return 0, False
        entry = struct.unpack_from(">Q", self.l1, index * 8)[0]
        offset = entry & OFFSET_MASK
        if offset & (self.cluster_size - 1):
            raise self._corrupt(f"L2 table offset {offset:#x} unaligned (L1 index: {c_hex(index)})")
        return offset, bool(entry & COPIED)

    def _corrupt(self, what: str) -> BlockError:
        """Tell of damage; one that would be written to is marked and not used any more."""
        report.write_error(
            f"qcow2: {'Image is corrupt: ' if self.read_only else 'Marking image as corrupt: '}"
            f"{what}; further {'non-fatal ' if self.read_only else ''}corruption events will "
            "be suppressed\n"
        )
        if not self.read_only:
            self._unusable = True
            self.header.incompatible |= CORRUPT
            self.storage.write(72, struct.pack(">Q", self.header.incompatible))
        return report.os_error("Image is corrupt", errno.EIO)

    def guard(self, offset: int, length: int, own: str = "") -> None:
        """Refuse to write over metadata that is not of the kind `own`; BlockError says which."""
        if self._metadata is None:
            self._metadata = metadata(self.header, self.l1, self.refcounts.table)
        bits = self.header.cluster_bits
        for cluster in range(offset >> bits, (offset + length - 1 >> bits) + 1):
            for kind in self._metadata.get(cluster, ()):
                if kind != own:
                    raise self._corrupt(
                        f"Preventing invalid write on metadata (overlaps with {kind})"
                    )

    def _write_metadata(self, offset: int, data: bytes, kind: str) -> None:
        self.guard(offset, len(data), kind)
        self.storage.write(offset, data)
        if kind in (HEADER, L1, TABLE):
            self._metadata = None

    def _table(self, index: int) -> bytearray | None:
        offset, _ = self._table_offset(index)
        if not offset:
            return None
        table = self._tables.get(index)
        if table is None:
            if len(self._tables) >= _CACHED_TABLES:
                self._tables.clear()
            table = bytearray(self.storage.read(offset, self.cluster_size))
            if any(first & _COMPRESSED_BYTE for first in set(table[::8])):
                raise not_served("A compressed cluster")
            self._tables[index] = table
        return table

    def _entry(self, cluster: int) -> int:
        if self._unusable:
            raise report.os_error("No medium", errno.ENOMEDIUM)
        index, at = divmod(cluster, self.cluster_size // 8)
        table = self._table(index)
        if table is None:
            return 0
        entry: int = struct.unpack_from(">Q", table, at * 8)[0]
        return entry

    def _kind(self, entry: int) -> tuple[str, int | None]:
        host = entry & OFFSET_MASK
        if entry & ZERO:
            return ZEROES, host or None
        if not host:
            return UNALLOCATED, None
        if host & (self.cluster_size - 1):
            raise self._corrupt(f"Cluster allocation offset {host:#x} unaligned")
        return DATA, host

    def extent(self, offset: int, length: int) -> Extent:
        """Return the first stretch of one kind, and in one piece in the file, of a range."""
        size = self.cluster_size
        cluster, within = divmod(offset, size)
        kind, host = self._kind(self._entry(cluster))
        per_table = size // 8
        end = cluster
        while (end - cluster) * size - within < length:
            if end % per_table == 0 and self._table_offset(end // per_table)[0] == 0:
                if kind != UNALLOCATED:
                    break
                end += per_table
                continue
            next_kind, next_host = self._kind(self._entry(end))
            if next_kind != kind:
                break
            if host is None:
                if next_host is not None:
                    break
            elif next_host != host + (end - cluster) * size:
                break
            end += 1
        run = min(length, (end - cluster) * size - within)
        return Extent(kind, run, None if host is None else host + within)

    # --- reading

    def read(self, offset: int, length: int) -> bytes:
        parts = []
        while length:
            piece = self.extent(offset, length)
            parts.append(self._read_extent(piece, offset))
            offset += piece.length
            length -= piece.length
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_extent(self, piece: Extent, offset: int) -> bytes:
        if piece.kind == DATA and piece.host is not None:
            return self.storage.read(piece.host, piece.length)
        if piece.kind == UNALLOCATED and self.backing is not None:
            return read_padded(self.backing.node, offset, piece.length)
        return zeroes(piece.length)


def read_padded(node: Node, offset: int, length: int) -> bytes:
    """Read from `node`; what lies behind its end is zeroes."""
    there = min(max(node.size - offset, 0), length)
    data = node.read(offset, there) if there else b""
    return data if there == length else data + zeroes(length - there)
