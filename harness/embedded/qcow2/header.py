# SPDX-License-Identifier: GPL-2.0-or-later
"""The header of a qcow2 image: fields, extensions, backing file name; checked as QEMU checks it."""

from __future__ import annotations

import struct

from goldlock.embedded.common.report import BlockError, not_served

MAGIC = 0x514649FB
DIRTY, CORRUPT = 1, 2
OFFSET_MASK = 0x00FFFFFFFFFFFE00
"""The bits of an offset in any table of an image."""
_FORMAT_EXTENSION = 0xE2792ACA
_FEATURES_EXTENSION = 0x6803F857
_MAX_L1_BYTES = 32 << 20
_MAX_REFTABLE_BYTES = 8 << 20
_MAX_NAME = 1023
_FIELDS = struct.Struct(">IIQIIQIIQQIIQ")
_FIELDS_V3 = struct.Struct(">QQQII")
HEADER_LENGTH = 112
_FEATURE_NAMES = (
    (0, 0, "dirty bit"),
    (0, 1, "corrupt bit"),
    (0, 2, "external data file"),
    (0, 3, "compression type"),
    (0, 4, "extended L2 entries"),
    (1, 0, "lazy refcounts"),
    (2, 0, "bitmaps"),
    (2, 1, "raw external data"),
)


class Header:
    """Everything that the first cluster of an image says; offsets and sizes in bytes."""

    def __init__(self) -> None:
        self.version = 3
        self.cluster_bits = 16
        self.size = 0
        self.crypt_method = 0
        self.l1_size = 0
        self.l1_offset = 0
        self.reftable_offset = 0
        self.reftable_clusters = 0
        self.snapshot_count = 0
        self.snapshots_offset = 0
        self.incompatible = 0
        self.compatible = 0
        self.autoclear = 0
        self.refcount_order = 4
        self.header_length = HEADER_LENGTH
        self.compression_type = 0
        self.backing_file = ""
        self.backing_format = ""

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    def encode(self) -> bytes:
        """Return the first cluster, as much of it as is used; BlockError if it does not fit.

        The table of feature names is left out where a small cluster has no room for it.
        """
        extensions = self._encode_extensions(with_names=True)
        room = self.cluster_size - HEADER_LENGTH - len(self.backing_file.encode(errors="replace"))
        if len(extensions) > room:
            extensions = self._encode_extensions(with_names=False)
        name = self.backing_file.encode("utf-8", "surrogateescape")
        name_offset = HEADER_LENGTH + len(extensions) if name else 0
        fixed = _FIELDS.pack(
            MAGIC, self.version, name_offset, len(name), self.cluster_bits, self.size,
            self.crypt_method, self.l1_size, self.l1_offset, self.reftable_offset,
            self.reftable_clusters, self.snapshot_count, self.snapshots_offset,
        )  # fmt: skip
        fixed += _FIELDS_V3.pack(self.incompatible, 0, 0, self.refcount_order, HEADER_LENGTH)
        fixed += bytes(8)
        whole = fixed + extensions + name
        if len(name) > _MAX_NAME or len(whole) > self.cluster_size:
            raise BlockError("Backing file name too long")
        return whole

    def _encode_extensions(self, with_names: bool) -> bytes:
        parts = []
        if self.backing_format:
            parts.append(_extension(_FORMAT_EXTENSION, self.backing_format.encode()))
        if with_names:
            table = b"".join(
                struct.pack(">BB46s", kind, bit, name.encode())
                for kind, bit, name in _FEATURE_NAMES
            )
            parts.append(_extension(_FEATURES_EXTENSION, table))
        return b"".join([*parts, bytes(8)])


def _extension(magic: int, data: bytes) -> bytes:
    return struct.pack(">II", magic, len(data)) + data + bytes(-len(data) % 8)


def decode(data: bytes, *, checking: bool = False) -> Header:
    """Read and check a header from the first bytes of an image.

    `data` holds the first cluster or the whole of a shorter file, zero-extended to
    at least 112 bytes. `checking` lets pass what `qemu-img check` may repair.
    Every wrong value is a BlockError with QEMU's message; nothing is allocated
    by a size found here before it is checked.
    """
    header = Header()
    (magic, header.version, name_offset, name_length, header.cluster_bits, header.size,
     header.crypt_method, header.l1_size, header.l1_offset, header.reftable_offset,
     header.reftable_clusters, header.snapshot_count, header.snapshots_offset,
    ) = _FIELDS.unpack_from(data)  # fmt: skip
    if magic != MAGIC:
        raise BlockError("Image is not in qcow2 format")
    if header.version not in (2, 3):
        raise BlockError(f"Unsupported qcow2 version {header.version}")
    if not 9 <= header.cluster_bits <= 21:
        raise BlockError(f"Unsupported cluster size: 2^{header.cluster_bits}")
    _decode_v3(header, data)
    if name_offset > header.cluster_size:
        raise BlockError("Invalid backing file offset")
    _check_served(header)
    _check_tables(header, checking)
    _read_extensions(header, data, name_offset or header.cluster_size)
    if name_offset:
        if name_length > min(_MAX_NAME, header.cluster_size - name_offset):
            raise BlockError("Backing file name too long")
        name = data[name_offset : name_offset + name_length].split(b"\0")[0]
        header.backing_file = name.decode("utf-8", "surrogateescape")
    return header


def _decode_v3(header: Header, data: bytes) -> None:
    if header.version == 2:
        header.header_length = 72
        return
    (header.incompatible, header.compatible, header.autoclear, header.refcount_order,
     header.header_length) = _FIELDS_V3.unpack_from(data, 72)  # fmt: skip
    if header.header_length < 104:
        raise BlockError("qcow2 header too short")
    if header.header_length > header.cluster_size:
        raise BlockError("qcow2 header exceeds cluster size")
    if header.header_length > 104:
        header.compression_type = data[104]


def _check_served(header: Header) -> None:
    """Refuse, by name, what QEMU would read or keep right, and we would not."""
    unknown = header.incompatible & ~(DIRTY | CORRUPT)
    for has, what in (
        (header.version == 2, "A qcow2 image of version 2"),
        (header.crypt_method, "An encrypted image"),
        (unknown, f"qcow2 incompatible feature {unknown:#x}"),
        (header.compatible, f"qcow2 compatible feature {header.compatible:#x}"),
        (header.autoclear, f"qcow2 autoclear feature {header.autoclear:#x} (1: bitmaps)"),
        (header.compression_type, f"Compression type {header.compression_type}"),
        (header.header_length > HEADER_LENGTH, f"A header of {header.header_length} bytes"),
        (header.refcount_order != 4, f"Refcounts of order {header.refcount_order}"),
        (header.snapshot_count, "A qcow2 image with internal snapshots"),
    ):
        if has:
            raise not_served(what)


def _check_table(  # noqa: PLR0913, PLR0917 - the parts of a table
    offset: int, entries: int, entry: int, limit: int, header: Header, what: str
) -> None:
    size = entries * entry
    if size > limit:
        raise BlockError(f"{what} too large")
    if offset % header.cluster_size or offset + size > (1 << 63) - 1:
        raise BlockError(f"{what} offset invalid")


def _check_tables(header: Header, checking: bool) -> None:
    if header.reftable_clusters == 0 and not checking:
        raise BlockError("Image does not contain a reference count table")
    _check_table(
        header.reftable_offset, header.reftable_clusters, header.cluster_size,
        _MAX_REFTABLE_BYTES, header, "Reference count table",
    )  # fmt: skip
    _check_table(header.l1_offset, header.l1_size, 8, _MAX_L1_BYTES, header, "Active L1 table")
    needed = l1_entries(header.size, header.cluster_bits)
    if needed > 0x7FFFFFFF:
        raise BlockError("Image is too big")
    if header.l1_size < needed:
        raise BlockError("L1 table is too small")


def l1_entries(size: int, cluster_bits: int) -> int:
    """Return how many L1 entries an image of `size` bytes needs."""
    shift = cluster_bits * 2 - 3
    return (size + (1 << shift) - 1) >> shift


def _extensions(header: Header, data: bytes, end: int) -> list[tuple[int, bytes]]:
    found = []
    at = header.header_length
    while at < end:
        if at + 8 > len(data):
            break  # past the end of the file reads as zeroes, which is the end mark
        magic, length = struct.unpack_from(">II", data, at)
        at += 8
        if length > end - at:
            raise BlockError("Header extension too large")
        if magic == 0:
            break
        content = data[at : at + length]
        found.append((magic, content + bytes(length - len(content))))
        at += (length + 7) & ~7
    return found


def _read_extensions(header: Header, data: bytes, end: int) -> None:
    for magic, content in _extensions(header, data, end):
        if magic == _FORMAT_EXTENSION:
            if len(content) >= 16:
                raise BlockError(f"ERROR: ext_backing_format: len={len(content)} too large (>=16)")
            header.backing_format = content.decode("utf-8", "replace")
        elif magic != _FEATURES_EXTENSION:
            raise not_served(f"qcow2 header extension {magic:#010x}")
