# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to say about an image: QEMU's ImageInfo."""

from __future__ import annotations

import os

from goldlock.embedded.block.files import FileNode, NullNode, RawNode
from goldlock.embedded.block.graph import Node
from goldlock.embedded.common.report import not_served
from goldlock.embedded.image.open_node import backing_of
from goldlock.embedded.qcow2.header import CORRUPT, DIRTY
from goldlock.embedded.qcow2.node import Qcow2Node


def storage_of(node: Node) -> Node:
    """Return the node at the bottom below `node`."""
    while node.file is not None:
        node = node.file.node
    return node


def name_of(node: Node) -> str:
    """Return the name of a node; a `json:` name, of an image with some backing file, is refused."""
    image = node
    while isinstance(image, RawNode) and image.file is not None:
        image = image.file.node
    if isinstance(image, Qcow2Node) and not image.no_io:
        there = name_of(image.backing.node) if image.backing is not None else ""
        if there != (image.implied_backing or image.header.backing_file):
            raise not_served("The name of an image with another backing file than its header's")
    return node.filename


def describe(node: Node) -> dict[str, object]:
    """Return what QEMU's ImageInfo says about a node, in the order in which it prints it."""
    facts: dict[str, object] = {}
    bottom = storage_of(node)
    if isinstance(bottom, NullNode) and bottom.size != NullNode.SIZE:
        raise not_served("What there is to say of a null-co with a size")
    used = os.fstat(bottom.fd).st_blocks * 512 if isinstance(bottom, FileNode) else 0
    if isinstance(node, Qcow2Node) and node.header.backing_file and node.header.backing_format:
        facts["backing-filename-format"] = node.header.backing_format
    facts["virtual-size"] = node.size
    facts["filename"] = name_of(node)
    if isinstance(node, Qcow2Node):
        facts["cluster-size"] = node.cluster_size
    facts["format"] = node.driver
    facts["actual-size"] = used
    if isinstance(node, Qcow2Node):
        facts["format-specific"] = {"type": "qcow2", "data": _specific(node)}
        if node.header.backing_file:
            facts["full-backing-filename"] = backing_of(node)[0]
            facts["backing-filename"] = node.header.backing_file
    facts["dirty-flag"] = isinstance(node, Qcow2Node) and bool(node.header.incompatible & DIRTY)
    return facts


def _specific(node: Qcow2Node) -> dict[str, object]:
    return {
        "compat": "1.1",
        "compression-type": "zlib",
        "lazy-refcounts": False,
        "refcount-bits": 16,
        "corrupt": bool(node.header.incompatible & CORRUPT),
        "extended-l2": False,
    }
