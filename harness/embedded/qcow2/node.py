# SPDX-License-Identifier: GPL-2.0-or-later
"""The qcow2 format: reading by the map, copy on write above it, and changes of the whole image."""

from __future__ import annotations

import struct

from goldlock.embedded.block.files import zeroes
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.qcow2.header import DIRTY, OFFSET_MASK, l1_entries
from goldlock.embedded.qcow2.map import (
    COPIED,
    DATA,
    UNALLOCATED,
    ZERO,
    ZEROES,
    Qcow2Map,
    read_padded,
)
from goldlock.embedded.qcow2.refcounts import HEADER, L1, L2, metadata, pack_count


class Qcow2Node(Qcow2Map):
    """An open qcow2 image. Metadata is written through, in an order safe against a kill."""

    def write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = self._write_some(offset, view)
            view = view[done:]
            offset += done

    def _write_some(self, offset: int, view: memoryview) -> int:
        """Write in place as far as clusters are ours alone, else one stretch of new clusters."""
        size = self.cluster_size
        cluster, within = divmod(offset, size)
        if self._in_place(cluster):
            piece = self.extent(offset, len(view))
            length = piece.length
            for further in range(cluster + 1, (offset + length - 1) // size + 1):
                if not self._in_place(further):
                    length = further * size - offset
                    break
            self.guard(piece.host or 0, length)
            self.storage.write(piece.host or 0, bytes(view[:length]))
            return length
        count = 1
        most = min((within + len(view) + size - 1) // size, 256)
        while count < most and not self._in_place(cluster + count):
            count += 1
        length = min(len(view), count * size - within)
        self._write_new(cluster, count, within, bytes(view[:length]))
        return length

    def _in_place(self, cluster: int) -> bool:
        entry = self._entry(cluster)
        kind, _ = self._kind(entry)
        return kind == DATA and bool(entry & COPIED)

    def _write_new(self, cluster: int, count: int, within: int, data: bytes) -> None:
        """Fill `count` new clusters with what was there and `data`, then point to them."""
        size = self.cluster_size
        for index in range(cluster // (size // 8), (cluster + count - 1) // (size // 8) + 1):
            self._own_table(index)
        whole = count * size
        start = cluster * size
        head = read_padded(self, start, within) if within else b""
        tail_length = whole - within - len(data)
        tail = read_padded(self, start + within + len(data), tail_length) if tail_length else b""
        host = self.refcounts.allocate(count)
        self.guard(host, whole)
        self.storage.write(host, b"".join((head, data, tail)))
        for i in range(count):
            self._point(cluster + i, (host + i * size) | COPIED)

    def _point(self, cluster: int, entry: int) -> None:
        """Set an L2 entry and give back what the old one referred to."""
        index, at = divmod(cluster, self.cluster_size // 8)
        table = self._own_table(index)
        old = struct.unpack_from(">Q", table, at * 8)[0]
        if old == entry:
            return
        struct.pack_into(">Q", table, at * 8, entry)
        place = self._table_offset(index)[0] + at * 8
        self._write_metadata(place, struct.pack(">Q", entry), L2)
        before = old & OFFSET_MASK
        if before and before != entry & OFFSET_MASK:
            self.refcounts.free(before, self.cluster_size)

    def _own_table(self, index: int) -> bytearray:
        """Return L2 table `index`, made or copied first if it is not there or not ours alone."""
        offset, ours = self._table_offset(index)
        table = self._table(index)
        if table is not None and ours:
            return table
        table = bytearray(self.cluster_size) if table is None else table
        place = self.refcounts.allocate(1, "L2 table")
        self._write_metadata(place, bytes(table), L2)
        self._tables[index] = table
        self._set_l1(index, place | COPIED)
        if offset:
            self.refcounts.free(offset, self.cluster_size)
        return table

    def _set_l1(self, index: int, entry: int) -> None:
        struct.pack_into(">Q", self.l1, index * 8, entry)
        self._write_metadata(self.header.l1_offset + index * 8, struct.pack(">Q", entry), L1)

    def write_zeroes(self, offset: int, length: int, unmap: bool = False) -> None:
        """Make a range read as zeroes: whole clusters by their flag, the rest by writing."""
        size = self.cluster_size
        end = offset + length
        first = -(-offset // size)
        last = end // size
        if end == self.size and end % size:
            last += 1  # nothing of the guest's lies behind
        if first >= last:
            self._write_zero_bytes(offset, length)
            return
        self._write_zero_bytes(offset, first * size - offset)
        for cluster in range(first, last):
            entry = self._entry(cluster)
            kind, host = self._kind(entry)
            if kind == ZEROES and not (unmap and host):
                continue
            keeps = host is not None and entry & COPIED and not unmap
            self._point(cluster, (entry | ZERO) if keeps else ZERO)
        if last * size < end:
            self._write_zero_bytes(last * size, end - last * size)

    def _write_zero_bytes(self, offset: int, length: int) -> None:
        while length:
            piece = self.extent(offset, length)
            blank = piece.kind == UNALLOCATED and self.backing is None
            step = piece.length if blank or piece.kind == ZEROES else min(piece.length, 1 << 20)
            if not blank and piece.kind != ZEROES:
                self.write(offset, zeroes(step))
            offset += step
            length -= step

    def discard(self, offset: int, length: int) -> None:
        """Give back the whole clusters of a range; they read as zeroes from now on."""
        size = self.cluster_size
        end = offset + length
        last = -(-end // size) if end == self.size else end // size
        for cluster in range(-(-offset // size), last):
            kind, host = self._kind(self._entry(cluster))
            if (kind == ZEROES and host is None) or (kind == UNALLOCATED and self.backing is None):
                continue
            self._point(cluster, ZERO)

    # --- the whole image

    def write_header(self) -> None:
        """Write the first cluster anew, with names and extensions."""
        data = self.header.encode()
        self.storage.write(0, data + bytes(self.cluster_size - len(data)))

    def truncate(self, size: int) -> None:
        """Change the guest's disk to `size` bytes (a multiple of 512); data beyond is lost."""
        if size % 512:
            raise BlockError("The new size must be a multiple of 512")
        if l1_entries(size, self.header.cluster_bits) * 8 > 32 << 20:
            raise report.os_error("Failed to grow the L1 table", 27)
        old = self.size
        if size < old:
            self._cut(size)
        else:
            self._grow_l1(l1_entries(size, self.header.cluster_bits))
        self.header.size = size
        self.storage.write(24, struct.pack(">Q", size))
        if size > old and self.backing is not None and self.backing.node.size > old:
            # What the backing file has there was never this disk's.
            self.write_zeroes(old, min(size, self.backing.node.size) - old)

    def _grow_l1(self, entries: int) -> None:
        if entries <= self.header.l1_size:
            return
        old_offset, old_length = self.header.l1_offset, self.header.l1_size * 8
        table = self.l1 + bytes(entries * 8 - old_length)
        clusters = (len(table) + self.cluster_size - 1) // self.cluster_size
        offset = self.refcounts.allocate(clusters, "L1 table")
        self._write_metadata(offset, bytes(table), L1)
        self.l1 = table
        self.header.l1_offset, self.header.l1_size = offset, entries
        self._write_metadata(36, struct.pack(">IQ", entries, offset), HEADER)
        if old_length:
            self.refcounts.free(old_offset, old_length)

    def _cut(self, size: int) -> None:
        """Free the clusters and L2 tables behind `size`, and the end of the file with them."""
        cluster_size = self.cluster_size
        per_table = cluster_size // 8
        keep = -(-size // cluster_size)
        for index in range(keep // per_table, len(self.l1) // 8):
            offset, _ = self._table_offset(index)
            if not offset:
                continue
            first = max(keep, index * per_table)
            for cluster in range(first, (index + 1) * per_table):
                if self._entry(cluster):
                    self._point(cluster, 0)
            if first == index * per_table:
                offset, _ = self._table_offset(index)
                self._set_l1(index, 0)
                self._tables.pop(index, None)
                self.refcounts.free(offset, cluster_size)
        last = -(-self.storage.length // cluster_size)
        least = max(metadata(self.header, self.l1, self.refcounts.table)) + 1
        while last > least and not self.refcounts.get(last - 1):
            last -= 1
        self.storage.truncate(min(self.storage.length, last * cluster_size))

    def make_empty(self) -> None:
        """Forget all data of this image, as after a commit: the file shrinks to its metadata."""
        header = self.header
        size = self.cluster_size
        l1_clusters = (header.l1_size * 8 + size - 1) // size
        if 3 + l1_clusters > self.refcounts.per_block:
            self._cut(0)
            return
        # Until the end the image is marked dirty: a kill in between is repaired from
        # the L1 table, which is emptied first.
        self._mark_dirty(True)
        self.storage.write(header.l1_offset, bytes(header.l1_size * 8))
        header.reftable_offset, header.reftable_clusters = size, 1
        block = bytearray(size)
        for cluster in range(3 + l1_clusters):
            pack_count(block, cluster, 1)
        header.l1_offset = 3 * size
        self.storage.write(size, struct.pack(">Q", 2 * size) + bytes(size - 8))
        self.storage.write(2 * size, bytes(block))
        self.storage.write(3 * size, bytes(l1_clusters * size))
        self.storage.write(36, struct.pack(">IQQI", header.l1_size, 3 * size, size, 1))
        self.storage.truncate((3 + l1_clusters) * size)
        self.l1 = bytearray(header.l1_size * 8)
        self._tables.clear()
        self._refcounts = self._metadata = None
        self._mark_dirty(False)

    def _mark_dirty(self, dirty: bool) -> None:
        self.header.incompatible = self.header.incompatible & ~DIRTY | (DIRTY if dirty else 0)
        self.storage.write(72, struct.pack(">Q", self.header.incompatible))

    def reload(self) -> None:
        """Read all metadata again: another program may have written it."""
        self._tables.clear()
        self._refcounts = self._metadata = None
        self.open()
