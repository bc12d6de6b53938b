# SPDX-License-Identifier: GPL-2.0-or-later
"""Telling the format of an image from its first bytes, as QEMU's drivers do."""

from __future__ import annotations

from goldlock.embedded.block.graph import Node
from goldlock.embedded.common.report import not_served

_LENGTH = 512
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"QFI\xfb\0\0\0\1", "qcow"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"conectix", "vpc"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
)


def probe(child: Node) -> str:
    """Return `qcow2` or `raw`; any other format that QEMU has is refused by its name."""
    if child.driver == "null-co" or not child.size:
        return "raw"
    data = child.read(0, _LENGTH)
    if data[:4] == b"QFI\xfb" and int.from_bytes(data[4:8], "big") >= 2:
        return "qcow2"
    for offset, magic, name in _MAGIC:
        if data.startswith(magic, offset):
            raise not_served(f"Format '{name}'")
    if child.filename.endswith(".dmg"):
        raise not_served("Format 'dmg'")
    if _describes_vmdk(data):
        raise not_served("Format 'vmdk'")
    return "raw"


def _describes_vmdk(data: bytes) -> bool:
    """Tell whether text begins, after comments and blank lines, as a VMDK descriptor does."""
    for line in data.split(b"\n"):
        if not line.startswith(b"#") and line.strip(b" \r"):
            return line.rstrip(b"\r") in (b"version=1", b"version=2", b"version=3")
    return False
