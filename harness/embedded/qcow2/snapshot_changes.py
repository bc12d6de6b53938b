# SPDX-License-Identifier: GPL-2.0-or-later
"""Making, applying and deleting the snapshots of a qcow2 image.

A snapshot is a copy of the L1 table: what it refers to is counted once more, and
loses the flag that says "ours alone", so that the next write goes elsewhere.
Every step leaves an image that `qemu-img check` accepts or repairs.
"""

from __future__ import annotations

import errno
import struct
import time

from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.qcow2.map import COMPRESSED, COPIED, OFFSET_MASK
from goldlock.embedded.qcow2.node import Qcow2Node
from goldlock.embedded.qcow2.snapshots import Snapshot, encode, read_snapshots

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_L1_BYTES = 32 << 20


def create(node: Qcow2Node, name: str) -> None:
    """Keep the present contents as a new snapshot; names need not differ."""
    snapshots, _ = read_snapshots(node.storage, node.header)
    snapshot = Snapshot()
    numbers = [int(one.id) for one in snapshots if one.id.isdecimal()]
    snapshot.id = str(max(numbers, default=0) + 1)
    snapshot.name = name
    now = time.time_ns()
    snapshot.seconds, snapshot.nanoseconds = now // 10**9, now % 10**9
    snapshot.icount = 0
    snapshot.disk_size = node.header.size
    _check_room(node, node.l1)
    snapshot.l1_size = node.header.l1_size
    snapshot.l1_offset = _allocate(node, len(node.l1))
    node.storage.write(snapshot.l1_offset, bytes(node.l1))
    _share(node, node.l1, node.header.l1_offset)
    _write_table(node, [*snapshots, snapshot])
    node.reload()


def apply(node: Qcow2Node, name: str) -> None:
    """Go back to the snapshot with this id or, if there is none, this name."""
    snapshots, _ = read_snapshots(node.storage, node.header)
    found = [one for one in snapshots if one.id == name]
    found += [one for one in snapshots if one.name == name]
    if not found:
        raise report.os_error("Failed to load snapshot", errno.ENOENT)
    snapshot = found[0]
    kept = _read_l1(node, snapshot)
    _check_room(node, kept)
    if snapshot.disk_size != node.header.size:
        node.truncate(snapshot.disk_size)
    before = node.l1
    _share(node, kept, snapshot.l1_offset)
    active = kept[: len(before)] + bytes(max(0, len(before) - len(kept)))
    node.storage.write(node.header.l1_offset, bytes(active))
    _release(node, before)
    _mark_unshared(node, active)
    node.reload()


def delete(node: Qcow2Node, name: str) -> None:
    """Forget the first snapshot of this name, and what only it refers to."""
    snapshots, _ = read_snapshots(node.storage, node.header)
    found = [one for one in snapshots if one.name == name]
    if not found:
        raise BlockError("snapshot not found")
    snapshot = found[0]
    kept = _read_l1(node, snapshot)
    _write_table(node, [one for one in snapshots if one is not snapshot])
    _release(node, kept)
    if kept:
        node.refcounts.free(snapshot.l1_offset, len(kept))
    _mark_unshared(node, node.l1)
    node.reload()


def _allocate(node: Qcow2Node, length: int) -> int:
    return node.refcounts.allocate(-(-length // node.cluster_size))


def _read_l1(node: Qcow2Node, snapshot: Snapshot) -> bytearray:
    if snapshot.l1_size * 8 > _MAX_L1_BYTES:
        raise BlockError("Snapshot L1 table too large")
    if snapshot.l1_offset % node.cluster_size:
        raise BlockError("Snapshot L1 table offset invalid")
    return bytearray(node.storage.read(snapshot.l1_offset, snapshot.l1_size * 8))


def _entries(table: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield place and value of the entries of a table that are not zero."""
    for at, (entry,) in enumerate(struct.iter_unpack(">Q", table)):
        if entry:
            yield at, entry


def _l2(node: Qcow2Node, entry: int) -> bytearray:
    """Return the L2 table that an L1 entry points to."""
    offset = entry & OFFSET_MASK
    if offset % node.cluster_size:
        raise report.os_error(f"L2 table offset {offset:#x} unaligned", errno.EIO)
    return bytearray(node.storage.read(offset, node.cluster_size))


def _place(node: Qcow2Node, entry: int) -> tuple[int, int]:
    """Return offset and length in the file of what an L2 entry refers to; length 0: nothing."""
    if entry & COMPRESSED:
        return node.packed_place(entry)
    offset = entry & OFFSET_MASK
    return offset, node.cluster_size if offset else 0


def _references(node: Qcow2Node, l1: bytearray) -> Iterator[int]:
    """Yield the number of every cluster that an L1 table refers to, once for each reference."""
    bits = node.header.cluster_bits
    for _, pointer in _entries(l1):
        for _, entry in _entries(_l2(node, pointer)):
            offset, length = _place(node, entry)
            if length:
                yield from range(offset >> bits, (offset + length - 1 >> bits) + 1)
        yield (pointer & OFFSET_MASK) >> bits


def _check_room(node: Qcow2Node, l1: bytearray) -> None:
    """Refuse, before anything is changed, what narrow reference counts cannot count."""
    counts = node.refcounts
    for cluster in _references(node, l1):
        if counts.get(cluster) >= counts.maximum:
            raise report.os_error("Reference count out of range", errno.EINVAL)


def _share(node: Qcow2Node, l1: bytearray, l1_offset: int) -> None:
    """Count all that an L1 table refers to once more; first it is no longer ours alone."""
    for at, pointer in _entries(l1):
        table = _l2(node, pointer)
        _rewrite(node, table, pointer, lambda entry: entry & ~COPIED)
        struct.pack_into(">Q", l1, at * 8, pointer & ~COPIED)
    node.storage.write(l1_offset, bytes(l1))
    for cluster in _references(node, l1):
        node.refcounts.add(cluster, 1)


def _release(node: Qcow2Node, l1: bytearray) -> None:
    """Count all that an L1 table refers to once less."""
    for cluster in _references(node, l1):
        node.refcounts.add(cluster, -1)


def _mark_unshared(node: Qcow2Node, l1: bytearray) -> None:
    """Say of all that the active L1 table refers to whether it is ours alone."""
    bits = node.header.cluster_bits
    counts = node.refcounts

    def flagged(entry: int) -> int:
        if entry & COMPRESSED or not entry & OFFSET_MASK:
            return entry & ~COPIED
        alone = counts.get((entry & OFFSET_MASK) >> bits) == 1
        return entry & ~COPIED | (COPIED if alone else 0)

    for at, pointer in _entries(l1):
        _rewrite(node, _l2(node, pointer), pointer, flagged)
        struct.pack_into(">Q", l1, at * 8, flagged(pointer))
    node.storage.write(node.header.l1_offset, bytes(l1))


def _rewrite(node: Qcow2Node, table: bytearray, pointer: int, change: Callable[[int], int]) -> None:
    """Change every entry of an L2 table, and write it if any differs."""
    before = bytes(table)
    for at, entry in _entries(before):
        struct.pack_into(">Q", table, at * 8, change(entry))
    if table != before:
        node.storage.write(pointer & OFFSET_MASK, bytes(table))


def _write_table(node: Qcow2Node, snapshots: list[Snapshot]) -> None:
    """Write a new snapshot table, point the header to it, and give the old one back."""
    header = node.header
    _, old_length = read_snapshots(node.storage, node.header)
    old_offset = header.snapshots_offset
    data = b"".join(encode(one) for one in snapshots)
    offset = _allocate(node, len(data)) if data else 0
    node.storage.write(offset, data)
    header.snapshot_count, header.snapshots_offset = len(snapshots), offset
    node.storage.write(60, struct.pack(">IQ", len(snapshots), offset))
    if old_length:
        node.refcounts.free(old_offset, old_length)
