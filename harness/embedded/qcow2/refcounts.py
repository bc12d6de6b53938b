# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference counts of a qcow2 image, the allocation of clusters, and where its metadata lies."""

from __future__ import annotations

import errno
import struct

from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.qcow2.header import OFFSET_MASK, Header

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable

    from goldlock.embedded.block.files import FileNode

# The kinds of metadata, as QEMU's messages name them.
HEADER, L1, L2 = "qcow2_header", "active L1 table", "active L2 table"
TABLE, BLOCK = "refcount table", "refcount block"
_CACHED_BLOCKS = 32
_MOST_BYTES = 1 << 55  # an offset in a table has 56 bits


class Refcounts:
    """The two-level table of reference counts; every change is written through.

    A count is written before what refers to the cluster, so a process that is
    killed leaves leaked clusters at worst, never a wrong reference. `write` writes metadata
    of a kind where nothing else of the image's is; `corrupt` tells of damage.
    """

    def __init__(
        self,
        storage: FileNode,
        header: Header,
        write: Callable[[int, bytes, str], None],
        corrupt: Callable[[str], BlockError],
    ) -> None:
        self.storage = storage
        self.header = header
        self.per_block = header.cluster_size // 2
        self.free_hint = 0
        self._write = write
        self._corrupt = corrupt
        self._table: bytearray | None = None
        self._blocks: dict[int, bytearray] = {}

    @property
    def table(self) -> bytearray:
        """The first level, read at first use (at most 8 MiB: the header check sees to that)."""
        if self._table is None:
            length = self.header.reftable_clusters << self.header.cluster_bits
            self._table = bytearray(self.storage.read(self.header.reftable_offset, length))
        return self._table

    def block_offset(self, index: int) -> int:
        """Return where refcount block `index` lies, or 0 if there is none."""
        if index * 8 >= len(self.table):
            return 0
        offset: int = struct.unpack_from(">Q", self.table, index * 8)[0] & OFFSET_MASK
        return offset

    def _block(self, index: int) -> bytearray | None:
        offset = self.block_offset(index)
        if not offset:
            return None
        if offset & (self.header.cluster_size - 1):
            raise self._corrupt(
                f"Refblock offset {offset:#x} unaligned (reftable index: {c_hex(index)})"
            )
        block = self._blocks.get(index)
        if block is None:
            if len(self._blocks) >= _CACHED_BLOCKS:
                self._blocks.clear()
            block = bytearray(self.storage.read(offset, self.header.cluster_size))
            self._blocks[index] = block
        return block

    def get(self, cluster: int) -> int:
        """Return the reference count of a cluster."""
        block = self._block(cluster // self.per_block)
        return 0 if block is None else unpack_count(block, cluster % self.per_block)

    def _set(self, cluster: int, count: int) -> None:
        """Write one reference count; its refcount block must exist."""
        index, at = divmod(cluster, self.per_block)
        block = self._block(index)
        if block is None:
            raise report.os_error(f"No refcount block for cluster {cluster}", errno.EIO)
        pack_count(block, at, count)
        self._write(self.block_offset(index) + 2 * at, struct.pack(">H", count), BLOCK)
        if not count:
            self.free_hint = min(self.free_hint, cluster)

    def allocate(self, count: int, what: str = "") -> int:
        """Allocate `count` neighbouring clusters, the first that are free; return their offset.

        A table (`what`) is not to lie on the header; data is looked at when it is written.
        """
        first = self._find_place(count)
        if not first and what:
            raise self._corrupt(f"Preventing invalid allocation of {what} at offset 0")
        for cluster in range(first, first + count):
            self._set(cluster, 1)
        if count == 1 or first == self.free_hint:
            # All below was found taken on the way.
            self.free_hint = first + count
        return first << self.header.cluster_bits

    def _find_place(self, count: int) -> int:
        """Return the first of `count` free neighbours whose refcount blocks are there."""
        while True:
            first = self._find_free(count)
            if self._have_blocks(first, count):
                return first
            # A refcount block may have taken the place that was found. Each turn adds one.

    def _find_free(self, count: int) -> int:
        start = cluster = self.free_hint
        while cluster - start < count:
            index, at = divmod(cluster, self.per_block)
            block = self._block(index)
            if block is None:
                # All of it is free.
                cluster = (index + 1) * self.per_block
            elif unpack_count(block, at):
                cluster += 1
                start = cluster
            else:
                cluster += 1
        if (start + count) << self.header.cluster_bits > _MOST_BYTES:
            raise report.os_error("Could not allocate clusters", errno.EFBIG)
        return start

    def _have_blocks(self, first: int, count: int) -> bool:
        """Make the refcount blocks for some clusters; False if any was missing."""
        complete = True
        for index in range(first // self.per_block, (first + count - 1) // self.per_block + 1):
            if not self.block_offset(index):
                complete = False
                if index * 8 >= len(self.table):
                    self._grow_table(index)
                else:
                    self._add_block(index)
        return complete

    def _add_block(self, index: int) -> None:
        """Make refcount block `index`, or the one that must be there first to count it.

        As in QEMU the block takes the first free cluster; one that lies in the part
        it describes counts itself.
        """
        cluster = self._find_free(1) or 1  # where the header counts as free, QEMU is past it
        home = cluster // self.per_block
        block = bytearray(self.header.cluster_size)
        offset = cluster << self.header.cluster_bits
        if not self.block_offset(home):
            index = home
            pack_count(block, cluster % self.per_block, 1)
        self._write(offset, bytes(block), BLOCK)
        if index != home:
            self._set(cluster, 1)
        self._blocks[index] = block
        self._set_block_offset(index, offset)

    def _set_block_offset(self, index: int, offset: int) -> None:
        struct.pack_into(">Q", self.table, index * 8, offset)
        place = self.header.reftable_offset + index * 8
        self._write(place, struct.pack(">Q", offset), TABLE)

    def _grow_table(self, index: int) -> None:
        """Move the table to where it has room for block `index` and those that describe it."""
        header = self.header
        old = self.table
        wanted = max((index + 1) * 8, len(old) * 3 // 2) + 64
        clusters = (wanted + header.cluster_size - 1) >> header.cluster_bits
        first_block = max(index, len(old) // 8)
        blocks = 1
        while blocks * self.per_block < clusters + blocks:
            blocks += 1
        clusters = max(
            clusters, ((first_block + blocks) * 8 + header.cluster_size - 1) >> header.cluster_bits
        )
        start = first_block * self.per_block
        table = old + bytes((clusters << header.cluster_bits) - len(old))
        for i in range(blocks):
            block = bytearray(header.cluster_size)
            taken = min(max(blocks + clusters - i * self.per_block, 0), self.per_block)
            for at in range(taken):
                pack_count(block, at, 1)
            offset = (start + i) << header.cluster_bits
            self._write(offset, bytes(block), BLOCK)
            struct.pack_into(">Q", table, (first_block + i) * 8, offset)
        offset = (start + blocks) << header.cluster_bits
        self._write(offset, bytes(table), TABLE)
        before = header.reftable_offset, header.reftable_clusters
        header.reftable_offset, header.reftable_clusters = offset, clusters
        self._write(48, struct.pack(">QI", offset, clusters), HEADER)
        self._table = table
        self._blocks.clear()
        self.free(before[0], before[1] << header.cluster_bits)

    def free(self, offset: int, length: int) -> None:
        """Take one reference from every cluster of a range of the file."""
        bits = self.header.cluster_bits
        for cluster in range(offset >> bits, (offset + length - 1 >> bits) + 1):
            count = self.get(cluster)
            if not count:
                raise report.os_error("Reference count out of range", errno.EINVAL)
            self._set(cluster, count - 1)


def c_hex(value: int) -> str:
    """Return a number as C's %#x has it."""
    return f"{value:#x}" if value else "0"


def unpack_count(block: bytes | bytearray, at: int) -> int:
    """Return entry `at` of a refcount block; entries have 16 bits."""
    return block[2 * at] << 8 | block[2 * at + 1]


def pack_count(block: bytearray, at: int, count: int) -> None:
    """Set entry `at` of a refcount block."""
    struct.pack_into(">H", block, 2 * at, count)


def metadata(header: Header, l1: bytearray, refcount_table: bytearray) -> dict[int, list[str]]:
    """Return the number of each cluster of metadata, and of what kinds it is, in QEMU's order.

    Only in a damaged image are there several.
    """
    bits = header.cluster_bits
    found = {0: [HEADER]}

    def add(offset: int, length: int, kind: str) -> None:
        if length:
            for cluster in range(offset >> bits, (offset + length - 1 >> bits) + 1):
                found.setdefault(cluster, []).append(kind)

    add(header.l1_offset, header.l1_size * 8, L1)
    for place in _places(l1):
        add(place, header.cluster_size, L2)
    add(header.reftable_offset, header.reftable_clusters << bits, TABLE)
    for place in _places(refcount_table):
        add(place, header.cluster_size, BLOCK)
    return found


def _places(table: bytearray) -> list[int]:
    """Return the offsets that a table has."""
    used = len(table.rstrip(b"\0")) + 7 & ~7
    offsets = (entry & OFFSET_MASK for (entry,) in struct.iter_unpack(">Q", table[:used]))
    return [offset for offset in offsets if offset]
