# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference counts of a qcow2 image, and the allocation of its clusters."""

from __future__ import annotations

import struct

from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.qcow2.header import Header

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.block.files import FileNode

_OFFSET_MASK = 0x00FFFFFFFFFFFE00
_CACHED_BLOCKS = 32


class Refcounts:
    """The two-level table of reference counts; every change is written through.

    A count is written before what refers to the cluster, so a process that is
    killed leaves leaked clusters at worst, never a wrong reference.
    """

    def __init__(self, storage: FileNode, header: Header) -> None:
        self.storage = storage
        self.header = header
        self.bits = 1 << header.refcount_order
        self.per_block = header.cluster_size * 8 // self.bits
        self.maximum = (1 << self.bits) - 1
        self.free_hint = 0
        self._packing = 0  # behind the last compressed cluster, where the next one may begin
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
        offset: int = struct.unpack_from(">Q", self.table, index * 8)[0] & _OFFSET_MASK
        return offset

    def _block(self, index: int) -> bytearray | None:
        offset = self.block_offset(index)
        if not offset:
            return None
        if offset & (self.header.cluster_size - 1):
            raise report.os_error("Could not read refcount block", 5)
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
        return 0 if block is None else unpack_count(block, cluster % self.per_block, self.bits)

    def set(self, cluster: int, count: int) -> None:
        """Write one reference count; its refcount block must exist."""
        index, at = divmod(cluster, self.per_block)
        block = self._block(index)
        if block is None:
            raise BlockError(f"No refcount block for cluster {cluster}")
        first, length = pack_count(block, at, self.bits, count)
        self.storage.write(self.block_offset(index) + first, bytes(block[first : first + length]))
        if not count:
            self.free_hint = min(self.free_hint, cluster)
            if self._packing >> self.header.cluster_bits == cluster:
                self._packing = 0

    def allocate(self, count: int) -> int:
        """Allocate `count` neighbouring clusters, the first that are free; return their offset."""
        first = self._find_place(count)
        for cluster in range(first, first + count):
            self.set(cluster, 1)
        if count == 1 or first == self.free_hint:
            # All below was found taken on the way.
            self.free_hint = first + count
        return first << self.header.cluster_bits

    def allocate_bytes(self, length: int) -> int:
        """Allocate part of a cluster for compressed data, behind the last such if it has room.

        Every one that lies in a cluster, or reaches into it, counts as a reference.
        """
        bits = self.header.cluster_bits
        size = 1 << bits
        place = self._packing
        if place and self.get(place >> bits) >= self.maximum:
            place = 0
        if not place or size - place % size < length:
            first = self._find_place(1)
            if not place or (place >> bits) + 1 != first:
                place = first << bits
        for cluster in range(place >> bits, (place + length - 1 >> bits) + 1):
            self.add(cluster, 1)
        end = place + length
        self._packing = end if end % size else 0
        return place

    def _find_place(self, count: int) -> int:
        """Return the first of `count` free neighbours whose refcount blocks are there."""
        while True:
            first = self._find_free(count)
            if self._have_blocks(first, count):
                return first
            # A refcount block may have taken the place that was found.

    def _find_free(self, count: int) -> int:
        start = cluster = self.free_hint
        while cluster - start < count:
            index, at = divmod(cluster, self.per_block)
            block = self._block(index)
            if block is None:
                # All of it is free.
                cluster = (index + 1) * self.per_block
            elif unpack_count(block, at, self.bits):
                cluster += 1
                start = cluster
            else:
                cluster += 1
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
        cluster = self._find_free(1)
        home = cluster // self.per_block
        block = bytearray(self.header.cluster_size)
        offset = cluster << self.header.cluster_bits
        if not self.block_offset(home):
            index = home
            pack_count(block, cluster % self.per_block, self.bits, 1)
        self.storage.write(offset, bytes(block))
        if index != home:
            self.set(cluster, 1)
        self._blocks[index] = block
        self._set_block_offset(index, offset)

    def _set_block_offset(self, index: int, offset: int) -> None:
        struct.pack_into(">Q", self.table, index * 8, offset)
        self.storage.write(self.header.reftable_offset + index * 8, struct.pack(">Q", offset))

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
                pack_count(block, at, self.bits, 1)
            offset = (start + i) << header.cluster_bits
            self.storage.write(offset, bytes(block))
            struct.pack_into(">Q", table, (first_block + i) * 8, offset)
        offset = (start + blocks) << header.cluster_bits
        self.storage.write(offset, bytes(table))
        before = header.reftable_offset, header.reftable_clusters
        header.reftable_offset, header.reftable_clusters = offset, clusters
        self.storage.write(48, struct.pack(">QI", offset, clusters))
        self._table = table
        self._blocks.clear()
        self.free(before[0], before[1] << header.cluster_bits)

    def free(self, offset: int, length: int) -> None:
        """Take one reference from every cluster of a range of the file."""
        bits = self.header.cluster_bits
        for cluster in range(offset >> bits, (offset + length - 1 >> bits) + 1):
            self.add(cluster, -1)

    def add(self, cluster: int, change: int) -> int:
        """Change a cluster's reference count and return the new one."""
        count = self.get(cluster) + change
        if not 0 <= count <= self.maximum:
            raise report.os_error("Reference count out of range", 22)
        self.set(cluster, count)
        return count

    def forget(self) -> None:
        """Drop what is held in memory: somebody rewrote the tables."""
        self._table = None
        self._blocks.clear()
        self.free_hint = self._packing = 0


def unpack_count(block: bytes | bytearray, at: int, bits: int) -> int:
    """Return entry `at` of a refcount block whose entries are `bits` wide."""
    if bits == 16:
        return block[2 * at] << 8 | block[2 * at + 1]
    if bits >= 8:
        width = bits // 8
        return int.from_bytes(block[at * width : (at + 1) * width], "big")
    per_byte = 8 // bits
    return block[at // per_byte] >> (at % per_byte * bits) & ((1 << bits) - 1)


def pack_count(block: bytearray, at: int, bits: int, count: int) -> tuple[int, int]:
    """Set entry `at`; return the first byte that changed and how many."""
    if bits >= 8:
        width = bits // 8
        block[at * width : (at + 1) * width] = count.to_bytes(width, "big")
        return at * width, width
    per_byte = 8 // bits
    shift = at % per_byte * bits
    byte = at // per_byte
    block[byte] = block[byte] & ~(((1 << bits) - 1) << shift) & 0xFF | count << shift
    return byte, 1
