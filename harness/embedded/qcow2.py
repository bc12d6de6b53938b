"""The qcow2 format: guest clusters mapped to clusters of the file, copy on write from below."""

from __future__ import annotations

import struct

from harness.embedded import report
from harness.embedded.files import FileNode, zeroes
from harness.embedded.graph import Node, next_node_name
from harness.embedded.qcow2_header import CORRUPT, DIRTY, Header, decode, l1_entries
from harness.embedded.qcow2_refcounts import Refcounts
from harness.embedded.report import BlockError

COPIED = 1 << 63
COMPRESSED = 1 << 62
ZERO = 1
OFFSET_MASK = 0x00FFFFFFFFFFFE00
_CACHED_TABLES = 64

# What a stretch of the guest's disk is, in this image alone.
UNALLOCATED, ZEROES, DATA, PACKED = "unallocated", "zero", "data", "compressed"


class Extent:
    """A stretch of the guest's disk of one kind; `host` is its place in the file, if any."""

    __slots__ = ("host", "kind", "length")

    def __init__(self, kind: str, length: int, host: int | None) -> None:
        self.kind = kind
        self.length = length
        self.host = host


class Qcow2Node(Node):
    """An open qcow2 image. Metadata is written through, in an order safe against a kill."""

    driver = "qcow2"
    is_format = True

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.name = next_node_name()
        self.header = Header()
        self.l1: bytearray = bytearray()
        self._tables: dict[int, bytearray] = {}
        self._refcounts: Refcounts | None = None

    def open(self, checking: bool = False) -> None:
        """Read and check the header and the L1 table; BlockError says what is wrong."""
        first = self.storage.read(0, 1 << 9)
        bits = struct.unpack_from(">I", first, 20)[0]
        if 9 < bits <= 21:
            # Never more than the file has: a header may claim a cluster of 2 MiB.
            length = max(512, min(1 << bits, self.storage.size))
            first = self.storage.read(0, length)
        self.header = decode(first, checking=checking)
        if self.header.incompatible & CORRUPT and not self.read_only and not checking:
            raise BlockError("qcow2: Image is corrupt; cannot be opened read/write")
        if not self.no_io:
            self._check_file_length()
            self.l1 = bytearray(self.storage.read(self.header.l1_offset, self.header.l1_size * 8))
        if self.header.snapshot_count and not checking:
            from harness.embedded.qcow2_snapshots import read_snapshots

            read_snapshots(self)

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
            raise BlockError("The qcow2 driver of the embedded programs needs a 'file' node below")
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
            self._refcounts = Refcounts(self.storage, self.header)
        return self._refcounts

    # --- mapping

    def _table_offset(self, index: int) -> tuple[int, bool]:
        """Return where L2 table `index` lies (0: nowhere), and whether it is ours alone."""
        if index * 8 >= len(self.l1):
            return 0, False
        entry = struct.unpack_from(">Q", self.l1, index * 8)[0]
        offset = entry & OFFSET_MASK
        if offset & (self.cluster_size - 1):
            raise self._corrupt(f"L2 table offset {offset:#x} unaligned (L1 index: {index:#x})")
        return offset, bool(entry & COPIED)

    def _corrupt(self, what: str) -> BlockError:
        report.write_error(
            f"qcow2: {'Image is corrupt: ' if self.read_only else 'Marking image as corrupt: '}"
            f"{what}; further {'non-fatal ' if self.read_only else ''}corruption events will "
            "be suppressed\n"
        )
        if not self.read_only and self.header.version == 3:
            self.header.incompatible |= CORRUPT
            self.storage.write(72, struct.pack(">Q", self.header.incompatible))
        return report.os_error("Image is corrupt", 5)

    def _table(self, index: int) -> bytearray | None:
        offset, _ = self._table_offset(index)
        if not offset:
            return None
        table = self._tables.get(index)
        if table is None:
            if len(self._tables) >= _CACHED_TABLES:
                self._tables.clear()
            table = bytearray(self.storage.read(offset, self.cluster_size))
            self._tables[index] = table
        return table

    def _entry(self, cluster: int) -> int:
        index, at = divmod(cluster, self.cluster_size // 8)
        table = self._table(index)
        if table is None:
            return 0
        entry: int = struct.unpack_from(">Q", table, at * 8)[0]
        return entry

    def _kind(self, entry: int) -> tuple[str, int | None]:
        if entry & COMPRESSED:
            return PACKED, None
        host = entry & OFFSET_MASK
        if entry & ZERO and self.header.version == 3:
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
            if kind == PACKED:
                break
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
        if piece.kind == PACKED:
            within = offset % self.cluster_size
            whole = self._unpack(self._entry(offset // self.cluster_size))
            return whole[within : within + piece.length]
        if piece.kind == UNALLOCATED and self.backing is not None:
            return read_padded(self.backing.node, offset, piece.length)
        return zeroes(piece.length)

    def _packed_place(self, entry: int) -> tuple[int, int]:
        """Return offset and length in the file of a compressed cluster."""
        shift = 62 - (self.header.cluster_bits - 8)
        offset = entry & ((1 << shift) - 1)
        sectors = (entry >> shift & ((1 << self.header.cluster_bits - 8) - 1)) + 1
        return offset, sectors * 512 - offset % 512

    def _unpack(self, entry: int) -> bytes:
        if self.header.compression_type:
            raise BlockError("Compression type zstd is not served by the embedded programs")
        import zlib

        offset, length = self._packed_place(entry)
        # The length that is asked for bounds the memory, whatever the data claims.
        unpacker = zlib.decompressobj(-12)
        try:
            data = unpacker.decompress(self.storage.read(offset, length), self.cluster_size)
        except zlib.error:
            raise report.os_error("Could not decompress cluster", 5) from None
        if len(data) < self.cluster_size:
            raise report.os_error("Could not decompress cluster", 5)
        return data

    # --- writing

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
        self.storage.write(self._table_offset(index)[0] + at * 8, struct.pack(">Q", entry))
        self._free_entry(old, keep=entry & OFFSET_MASK if not entry & COMPRESSED else 0)

    def _free_entry(self, entry: int, keep: int = 0) -> None:
        if entry & COMPRESSED:
            offset, length = self._packed_place(entry)
            self.refcounts.free(offset, length)
        elif entry & OFFSET_MASK and entry & OFFSET_MASK != keep:
            self.refcounts.free(entry & OFFSET_MASK, self.cluster_size)

    def _own_table(self, index: int) -> bytearray:
        """Return L2 table `index`, made or copied first if it is not there or not ours alone."""
        offset, ours = self._table_offset(index)
        table = self._table(index)
        if table is not None and ours:
            return table
        table = bytearray(self.cluster_size) if table is None else table
        place = self.refcounts.allocate(1)
        self.storage.write(place, bytes(table))
        self._tables[index] = table
        self._set_l1(index, place | COPIED)
        if offset:
            self.refcounts.free(offset, self.cluster_size)
        return table

    def _set_l1(self, index: int, entry: int) -> None:
        struct.pack_into(">Q", self.l1, index * 8, entry)
        self.storage.write(self.header.l1_offset + index * 8, struct.pack(">Q", entry))

    def write_zeroes(self, offset: int, length: int, unmap: bool = False) -> None:
        """Make a range read as zeroes: whole clusters by their flag, the rest by writing."""
        size = self.cluster_size
        end = offset + length
        if self.header.version < 3:
            self._write_zero_bytes(offset, length)
            return
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
            self._point(cluster, ZERO if self.header.version == 3 else 0)

    # --- the whole image

    def write_header(self) -> None:
        """Write the first cluster anew, with names and extensions."""
        data = self.header.encode()
        self.storage.write(0, data + bytes(self.cluster_size - len(data)))

    def truncate(self, size: int) -> None:
        """Change the guest's disk to `size` bytes (a multiple of 512); data beyond is lost."""
        if size % 512:
            raise BlockError("The new size must be a multiple of 512")
        if self.header.snapshot_count and self.header.version < 3:
            raise BlockError("Can't resize a v2 image which has snapshots")
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
        offset = self.refcounts.allocate(clusters)
        self.storage.write(offset, bytes(table))
        self.l1 = table
        self.header.l1_offset, self.header.l1_size = offset, entries
        self.storage.write(36, struct.pack(">IQ", entries, offset))
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
        last = self.storage.length // cluster_size
        while last and not self.refcounts.get(last - 1):
            last -= 1
        self.storage.truncate(min(self.storage.length, last * cluster_size))

    def make_empty(self) -> None:
        """Forget all data of this image, as after a commit: the file shrinks to its metadata."""
        header = self.header
        size = self.cluster_size
        l1_clusters = (header.l1_size * 8 + size - 1) // size
        if header.snapshot_count or 3 + l1_clusters > self.refcounts.per_block:
            self._cut(0)
            return
        # Until the end the image is marked dirty: a kill in between is repaired from
        # the L1 table, which is emptied first.
        self._mark_dirty(True)
        self.storage.write(header.l1_offset, bytes(header.l1_size * 8))
        header.reftable_offset, header.reftable_clusters = size, 1
        block = bytearray(size)
        counts = Refcounts(self.storage, header)
        from harness.embedded.qcow2_refcounts import pack_count

        for cluster in range(3 + l1_clusters):
            pack_count(block, cluster, counts.bits, 1)
        header.l1_offset = 3 * size
        self.storage.write(size, struct.pack(">Q", 2 * size) + bytes(size - 8))
        self.storage.write(2 * size, bytes(block))
        self.storage.write(3 * size, bytes(l1_clusters * size))
        self.storage.write(36, struct.pack(">IQQI", header.l1_size, 3 * size, size, 1))
        self.storage.truncate((3 + l1_clusters) * size)
        self.l1 = bytearray(header.l1_size * 8)
        self._tables.clear()
        self._refcounts = None
        self._mark_dirty(False)

    def _mark_dirty(self, dirty: bool) -> None:
        if self.header.version < 3:
            return
        self.header.incompatible = self.header.incompatible & ~DIRTY | (DIRTY if dirty else 0)
        self.storage.write(72, struct.pack(">Q", self.header.incompatible))

    def reload(self) -> None:
        """Read all metadata again: a repair or a snapshot has rewritten it."""
        self._tables.clear()
        self._refcounts = None
        self.open(checking=True)


def read_padded(node: Node, offset: int, length: int) -> bytes:
    """Read from `node`; what lies behind its end is zeroes."""
    there = min(max(node.size - offset, 0), length)
    data = node.read(offset, there) if there else b""
    return data if there == length else data + zeroes(length - there)
