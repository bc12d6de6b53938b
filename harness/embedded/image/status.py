# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stretch of a disk is, seen through its whole backing chain."""

from __future__ import annotations

import errno
import os

from goldlock.embedded.block.files import FileNode, NullNode
from goldlock.embedded.block.graph import Node
from goldlock.embedded.qcow2.map import DATA, UNALLOCATED, ZEROES
from goldlock.embedded.qcow2.node import Qcow2Node


class Status:
    """A stretch of one kind: where it is defined (depth), whether zero, data, and its place."""

    __slots__ = ("data", "depth", "filename", "length", "offset", "present", "zero")

    def __init__(self, length: int, depth: int) -> None:
        self.length = length
        self.depth = depth
        self.present = False
        self.zero = True
        self.data = False
        self.offset: int | None = None
        self.filename = ""


def status(node: Node, offset: int, length: int) -> Status:
    """Return what the first stretch of a range is; `length` of the answer is at most as asked."""
    depth = 0
    while True:
        if not isinstance(node, Qcow2Node):
            return _storage_status(node, offset, length, depth)
        piece = node.extent(offset, length)
        length = piece.length
        if piece.kind != UNALLOCATED or node.backing is None:
            found = Status(length, depth)
            found.present = piece.kind != UNALLOCATED
            found.zero = piece.kind in (ZEROES, UNALLOCATED)
            found.data = piece.kind == DATA
            found.offset = piece.host
            found.filename = node.storage.filename
            return found
        node = node.backing.node
        depth += 1
        if offset >= node.size:
            # Past the end of a shorter backing file: zeroes that this image supplies.
            found = Status(length, depth - 1)
            found.present = True
            return found
        length = min(length, node.size - offset)


def _storage_status(node: Node, offset: int, length: int, depth: int) -> Status:
    found = Status(length, depth)
    found.present = True
    while node.file is not None:
        node = node.file.node
    if isinstance(node, NullNode):
        found.zero = False
        found.data = False
        found.offset = offset
        return found
    if not isinstance(node, FileNode):
        found.zero, found.data = False, True
        return found
    found.filename = node.filename
    found.offset = offset
    found.data, found.length = _hole_or_data(node.fd, offset, length, node.length)
    found.zero = not found.data
    return found


def _hole_or_data(fd: int, offset: int, length: int, end: int) -> tuple[bool, int]:
    """Tell whether a file has data at `offset`, and for how far (within `length`)."""
    if offset >= end:
        return False, length
    try:
        data = os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as failure:
        return (False, length) if failure.errno == errno.ENXIO else (True, length)
    if data > offset:
        return False, min(length, data - offset)
    return True, min(length, os.lseek(fd, offset, os.SEEK_HOLE) - offset)


def reads_as_zero(node: Node, offset: int, length: int) -> tuple[bool, int]:
    """Tell whether the first stretch of a range is known to be zeroes, and its length."""
    if offset >= node.size:
        return True, length
    found = status(node, offset, min(length, node.size - offset))
    return found.zero, found.length
