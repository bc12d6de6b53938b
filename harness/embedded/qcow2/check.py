# SPDX-License-Identifier: GPL-2.0-or-later
"""Checking the metadata of a qcow2 image against itself."""

from __future__ import annotations

import struct

from goldlock.embedded.common import report
from goldlock.embedded.common.report import not_served
from goldlock.embedded.qcow2.header import OFFSET_MASK
from goldlock.embedded.qcow2.map import COMPRESSED, COPIED, ZERO
from goldlock.embedded.qcow2.node import Qcow2Node
from goldlock.embedded.qcow2.refcounts import unpack_count


class Result:
    """What a check has found; counts of clusters, or bytes where so named."""

    def __init__(self) -> None:
        self.corruptions = 0
        self.leaks = 0
        self.check_errors = 0
        self.image_end_offset = 0
        self.total_clusters = 0
        self.allocated_clusters = 0
        self.fragmented_clusters = 0


class Checker:
    """One pass over an image; memory grows with the clusters in use, not with any claim."""

    def __init__(self, node: Qcow2Node) -> None:
        self.node = node
        self.result = Result()
        self.references: dict[int, int] = {}
        self.file_size = node.storage.length
        self._next_offset = 0

    def run(self) -> Result:
        """Check all and return the findings."""
        node, header = self.node, self.node.header
        size = node.cluster_size
        self.result.total_clusters = -(-node.size // size)
        self._refer(0, size)
        self._check_l1(node.l1, header.l1_offset)
        self._refer(header.reftable_offset, header.reftable_clusters * size)
        self._check_blocks()
        self._compare()
        self._check_copied()
        return self.result

    def _error(self, text: str) -> None:
        report.write_error(f"ERROR{text}\n")
        self.result.corruptions += 1

    def _refer(self, offset: int, length: int) -> None:
        """Count a reference to every cluster of a range, unless it lies past the file's end."""
        if not length:
            return
        bits = self.node.header.cluster_bits
        if offset + length - self.file_size >= 1 << bits:
            self._error(
                ": counting reference for region exceeding the end of the file by one cluster "
                f"or more: offset {offset:#x} size {length:#x}"
            )
            return
        for cluster in range(offset >> bits, (offset + length - 1 >> bits) + 1):
            self.references[cluster] = self.references.get(cluster, 0) + 1

    def _check_l1(self, table: bytearray, offset: int) -> None:
        size = self.node.cluster_size
        self._refer(offset, len(table))
        for index in range(len(table) // 8):
            entry = struct.unpack_from(">Q", table, index * 8)[0]
            place = entry & OFFSET_MASK
            if not place:
                continue
            self._refer(place, size)
            if place & (size - 1):
                self._error(
                    f" l2_offset={place:x}: Table is not cluster aligned; L1 entry corrupted"
                )
            if place < self.file_size:
                self._check_l2(self.node.storage.read(place, size))

    def _check_l2(self, table: bytes) -> None:
        if not any(table):
            return
        for entry in struct.unpack(f">{len(table) // 8}Q", table):
            if entry:
                self._check_entry(entry)

    def _check_entry(self, entry: int) -> None:
        size = self.node.cluster_size
        result = self.result
        if entry & COMPRESSED:
            raise not_served("A compressed cluster")
        offset = entry & OFFSET_MASK
        if not offset:
            return
        if offset & (size - 1):
            kind = "Preallocated zero" if entry & ZERO else "Data"
            self._error(
                f" offset={offset:x}: {kind} cluster is not properly aligned; L2 entry corrupted."
            )
        result.allocated_clusters += 1
        if self._next_offset and offset != self._next_offset:
            result.fragmented_clusters += 1
        self._next_offset = offset + size
        self._refer(offset, size)

    def _blocks(self) -> list[tuple[int, int]]:
        table = self.node.refcounts.table
        found = []
        for index in range(len(table) // 8):
            offset = struct.unpack_from(">Q", table, index * 8)[0] & OFFSET_MASK
            if offset:
                found.append((index, offset))
        return found

    def _check_blocks(self) -> None:
        size = self.node.cluster_size
        for index, offset in self._blocks():
            if offset & (size - 1):
                self._error(
                    f" refcount block {index} is not cluster aligned; "
                    "refcount table entry corrupted"
                )
            elif offset >= self.file_size:
                self._error(f" refcount block {index} is outside image")
            else:
                self._refer(offset, size)
                if self.references[offset // size] != 1:
                    count = self.references[offset // size]
                    self._error(f" refcount block {index} refcount={count}")

    def _counts(self) -> dict[int, int]:
        """Return all reference counts of the image that are not 0."""
        node = self.node
        counts: dict[int, int] = {}
        per_block = node.refcounts.per_block
        for index, offset in self._blocks():
            if offset & (node.cluster_size - 1) or offset >= self.file_size:
                continue
            block = node.storage.read(offset, node.cluster_size)
            if not any(block):
                continue
            first = index * per_block
            used = len(block.rstrip(b"\0")) // 2 + 1  # what follows is all zeroes
            for at in range(min(used, per_block)):
                count = unpack_count(block, at)
                if count:
                    counts[first + at] = count
        return counts

    def _compare(self) -> None:
        counts = self._counts()
        result = self.result
        highest = -1
        in_file = max(-(-self.file_size // self.node.cluster_size), max(self.references) + 1)
        for cluster in sorted(counts.keys() | self.references.keys()):
            if cluster >= in_file:
                break  # QEMU looks no further than the end of the file, or the last reference
            count, references = counts.get(cluster, 0), self.references.get(cluster, 0)
            highest = cluster
            if count == references:
                continue
            leaked = count > references
            what = "Leaked" if leaked else "ERROR"
            report.write_error(
                f"{what} cluster {cluster} refcount={count} reference={references}\n"
            )
            if leaked:
                result.leaks += 1
            else:
                result.corruptions += 1
        result.image_end_offset = (highest + 1) * self.node.cluster_size

    def _check_copied(self) -> None:
        """Check that the "ours alone" flag of each entry agrees with the reference count."""
        node = self.node
        size = node.cluster_size
        for index in range(len(node.l1) // 8):
            entry = struct.unpack_from(">Q", node.l1, index * 8)[0]
            place = entry & OFFSET_MASK
            if not place or place & (size - 1) or place >= self.file_size:
                continue
            count = node.refcounts.get(place // size)
            if (count == 1) != bool(entry & COPIED):
                self._wrong_flag(
                    f"L2 cluster: l1_index={index} l1_entry={entry:x} refcount={count}"
                )
            self._check_copied_in(place)

    def _check_copied_in(self, place: int) -> None:
        node = self.node
        table = node.storage.read(place, node.cluster_size)
        if not any(table):
            return
        for entry in struct.unpack(f">{len(table) // 8}Q", table):
            offset = entry & OFFSET_MASK
            if entry & COMPRESSED or not offset or offset & (node.cluster_size - 1):
                continue
            count = node.refcounts.get(offset // node.cluster_size)
            if (count == 1) != bool(entry & COPIED):
                self._wrong_flag(f"data cluster: l2_entry={entry:x} refcount={count}")

    def _wrong_flag(self, text: str) -> None:
        report.write_error(f"ERROR OFLAG_COPIED {text}\n")
        self.result.corruptions += 1


def check_image(node: Qcow2Node) -> Result:
    """Check an image; each finding is a line of stderr."""
    return Checker(node).run()
