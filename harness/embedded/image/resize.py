# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing the size of a disk."""

from __future__ import annotations

from goldlock.embedded.block.files import FileNode
from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.qcow2.node import Qcow2Node


def truncate(node: Node, size: int) -> None:
    """Give the disk behind `node` a size of `size` bytes."""
    if isinstance(node, Qcow2Node):
        node.truncate(size)
        return
    while node.file is not None:
        node = node.file.node
    if not isinstance(node, FileNode):
        raise BlockError(f"Image format driver does not support resize: {node.driver}")
    try:
        node.truncate(size)
    except OSError as failure:
        raise report.os_error("Could not resize file", failure.errno or 0) from None
