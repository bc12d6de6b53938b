# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img commit."""

from __future__ import annotations

import sys

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.block.locks import ALL, CONSISTENT_READ, RESIZE, WRITE
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.backend import Image
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.resize import truncate
from goldlock.embedded.image.status import status
from goldlock.embedded.img.common import check_cache_mode, one_image, open_one, parse
from goldlock.embedded.qcow2.node import Qcow2Node

_CHUNK = 1 << 20


def commit(words: list[str]) -> int:
    """Write an overlay's data down into its backing file, or with -b further down."""
    arguments = parse("commit", words, "f:t:b:dq!pr:", ("image-opts",))
    base_name = arguments.last("-b")
    filename = one_image(arguments)
    check_cache_mode(arguments.last("-t"))
    image = open_one(filename, arguments, Flags(read_only=False), fmt=arguments.last("-f"))
    lower: Image | None = None
    try:
        base = _find_base(image.node, base_name)
        keep = arguments.has("-d") or base_name is not None
        lower = _commit(image, base, keep)
        if not arguments.has("-q"):
            sys.stdout.write("Image committed.\n")
    finally:
        image.close()
        if lower is not None:
            lower.close()
    return 0


def _find_base(top: Node, name: str | None) -> Node:
    if name is None:
        if top.backing is None:
            raise BlockError("Image does not have a backing file")
        return top.backing.node
    node = top
    while node.backing is not None:
        node = node.backing.node
        if node.filename == name or _same_file(node.filename, name):
            return node
    raise BlockError(f"Did not find '{name}' in the backing chain of '{top.filename}'")


def _same_file(one: str, other: str) -> bool:
    import os

    return os.path.abspath(one) == os.path.abspath(other)  # noqa: PTH100 - pathlib costs start-up


def _commit(image: Image, base: Node, keep: bool) -> Image:
    """Copy what lies above `base` into it; return the user of `base` that holds it from now on."""
    top = image.node
    graph.set_read_only(base, False)
    # The job below the overlay takes over what the overlay used of its backing file.
    above = _edge_above(top, base)
    graph.change(above, 0, ALL)
    job = graph.use(base, "main", "block job 'commit'", WRITE, ALL & ~RESIZE)
    try:
        if base.size < top.size:
            graph.change(job, WRITE | RESIZE, ALL & ~RESIZE)
            truncate(base, top.size)
        _copy(top, base)
    finally:
        graph.release(job)
    lower = Image(base, CONSISTENT_READ | WRITE)
    if not keep and isinstance(top, Qcow2Node):
        top.make_empty()
    return lower


def _edge_above(top: Node, base: Node) -> Edge:
    node = top
    while node.backing is not None and node.backing.node is not base:
        node = node.backing.node
    assert node.backing is not None
    return node.backing


def _copy(top: Node, base: Node) -> None:
    at = 0
    while at < top.size:
        found = status(top, at, min(_CHUNK, top.size - at))
        node: Node | None = top
        for _ in range(found.depth):
            node = node.backing.node if node is not None and node.backing else None
        if found.present and node is not base and not _at_or_below(base, node):
            if found.zero and isinstance(base, Qcow2Node):
                base.write_zeroes(at, found.length)
            else:
                base.write(at, top.read(at, found.length))
        at += found.length


def _at_or_below(base: Node, node: Node | None) -> bool:
    current: Node | None = base
    while current is not None:
        if current is node:
            return True
        current = current.backing.node if current.backing else None
    return False
