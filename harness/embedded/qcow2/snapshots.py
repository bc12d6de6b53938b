# SPDX-License-Identifier: GPL-2.0-or-later
"""The snapshot table of a qcow2 image, to be listed and counted."""

from __future__ import annotations

import struct

from goldlock.embedded.common import report
from goldlock.embedded.common.options import human_size
from goldlock.embedded.common.report import BlockError

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.block.graph import Node
    from goldlock.embedded.qcow2.header import Header

_FIXED = struct.Struct(">QIHHIIQII")
_MAX_EXTRA = 1024


class Snapshot:
    """One entry of the table; sizes in bytes, times in seconds and nanoseconds."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.l1_offset = 0
        self.l1_size = 0
        self.vm_state_size = 0
        self.seconds = 0
        self.nanoseconds = 0
        self.vm_clock = 0
        self.icount: int | None = None
        self.disk_size = 0
        self.further = b""  # what a later format has there, kept as it is


def read_snapshots(storage: Node, header: Header) -> tuple[list[Snapshot], int]:
    """Return the snapshots and the table's length in bytes; BlockError for a damaged table."""
    found = []
    at = start = header.snapshots_offset
    for _ in range(header.snapshot_count):
        if at >= storage.size:
            raise report.os_error("Failed to read snapshot table", 5)
        snapshot = Snapshot()
        snapshot.disk_size = header.size
        data = storage.read(at, _FIXED.size)
        (snapshot.l1_offset, snapshot.l1_size, id_length, name_length, snapshot.seconds,
         snapshot.nanoseconds, snapshot.vm_clock, snapshot.vm_state_size, extra_length,
        ) = _FIXED.unpack(data)  # fmt: skip
        if extra_length > _MAX_EXTRA:
            raise BlockError("Too much extra metadata in snapshot table entry")
        extra = storage.read(at + _FIXED.size, extra_length)
        if extra_length >= 8:
            snapshot.vm_state_size = struct.unpack_from(">Q", extra)[0]
        if extra_length >= 16:
            snapshot.disk_size = struct.unpack_from(">Q", extra, 8)[0]
        if extra_length >= 24:
            snapshot.further = extra[24:]
            icount = struct.unpack_from(">Q", extra, 16)[0]
            snapshot.icount = icount if icount != (1 << 64) - 1 else None
        at += _FIXED.size + extra_length
        text = storage.read(at, id_length + name_length)
        snapshot.id = text[:id_length].decode("utf-8", "surrogateescape")
        snapshot.name = text[id_length:].decode("utf-8", "surrogateescape")
        at = (at + id_length + name_length + 7) & ~7
        found.append(snapshot)
    return found, at - start


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot's entry of the table."""
    icount = (1 << 64) - 1 if snapshot.icount is None else snapshot.icount
    extra = struct.pack(">QQQ", snapshot.vm_state_size, snapshot.disk_size, icount)
    extra += snapshot.further
    identity = snapshot.id.encode("utf-8", "surrogateescape")
    name = snapshot.name.encode("utf-8", "surrogateescape")
    small = snapshot.vm_state_size if snapshot.vm_state_size < 1 << 32 else 0
    fixed = _FIXED.pack(
        snapshot.l1_offset, snapshot.l1_size, len(identity), len(name), snapshot.seconds,
        snapshot.nanoseconds, snapshot.vm_clock, small, len(extra),
    )  # fmt: skip
    entry = fixed + extra + identity + name
    return entry + bytes(-len(entry) % 8)


def describe(snapshot: Snapshot) -> str:
    """Return a snapshot's line of the list that info and snapshot -l print."""
    import time

    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(snapshot.seconds))
    seconds = snapshot.vm_clock // 1000000000
    clock = (
        f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        f".{snapshot.vm_clock // 1000000 % 1000:03d}"
    )
    icount = "" if snapshot.icount is None else str(snapshot.icount)
    size = human_size(snapshot.vm_state_size)
    return f"{snapshot.id:<9} {snapshot.name:<16} {size:>8}{date:>20}{clock:>13}{icount:>11}"


TITLE = f"{'ID':<9} {'TAG':<16} {'VM SIZE':>8}{'DATE':>20}{'VM CLOCK':>13}{'ICOUNT':>11}"
