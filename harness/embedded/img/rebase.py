# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img rebase."""

from __future__ import annotations

from goldlock.embedded.block import graph, registry
from goldlock.embedded.block.graph import Node
from goldlock.embedded.block.locks import ALL, CONSISTENT_READ
from goldlock.embedded.common import getopt
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import check_cache_mode, one_image, open_one, parse
from goldlock.embedded.qcow2.map import UNALLOCATED, read_padded
from goldlock.embedded.qcow2.node import Qcow2Node


def rebase(words: list[str]) -> int:
    """Give an overlay another backing file; unless -u says so, its contents stay the same."""
    arguments = parse("rebase", words, "f:F:b:ut:T:qU!p", ("image-opts", "force-share"))
    backing = arguments.last("-b")
    unsafe = arguments.has("-u")
    filename = one_image(arguments)
    if not unsafe and backing is None:
        raise getopt.UsageError("Must specify backing file (-b) or use unsafe mode (-u)")
    check_cache_mode(arguments.last("-t"))
    check_cache_mode(arguments.last("-T"), "source cache")
    flags = Flags(read_only=False, no_backing=unsafe)
    image = open_one(filename, arguments, flags, fmt=arguments.last("-f"))
    try:
        fmt = arguments.last("-F")
        if fmt in (*registry.NOT_SERVED, "null-co"):
            raise not_served(f"Format '{fmt}'")
        if fmt is not None and fmt not in registry.SERVED:
            raise BlockError(f"Invalid format name: '{fmt}'")
        if not isinstance(image.node, Qcow2Node):
            raise not_served(f"rebase of {image.node.driver}")
        if not unsafe:
            _keep_contents(image.node, backing or "", fmt, arguments.has("-U", "--force-share"))
        if backing and fmt is None:
            raise BlockError(
                f"Could not change the backing file to '{backing}': backing format must be "
                "specified"
            )
        _change_backing(image.node, backing, fmt)
    finally:
        image.close()
    return 0


def _change_backing(node: Qcow2Node, backing: str | None, fmt: str | None) -> None:
    node.header.backing_file = backing or ""
    node.header.backing_format = (fmt or "") if backing else ""
    node.write_header()


def _keep_contents(node: Qcow2Node, backing: str, fmt: str | None, force_share: bool) -> None:
    """Copy up what reads differently from the new backing file than from the old."""
    old = node.backing.node if node.backing else None
    old_user = (
        graph.use(old, "root", "an unnamed block device", CONSISTENT_READ, ALL) if old else None
    )
    new: Image | None = None
    try:
        new_node: Node | None = None
        if backing:
            path = registry.resolve(node.filename, backing)
            new_node = _in_chain(old, path)
            if new_node is None:
                options = {"driver": fmt} if fmt else {}
                try:
                    new = open_image(path, options, Flags(force_share=force_share))
                except BlockError as failure:
                    raise failure.prefixed(
                        f"Could not open new backing file '{backing}': "
                    ) from None
                new_node = new.node
        if new_node is not old:
            _copy_up(node, old, new_node)
    finally:
        if old_user is not None:
            graph.release(old_user)
        if new is not None:
            new.close()


def _in_chain(node: Node | None, path: str) -> Node | None:
    while node is not None:
        if node.filename == path:
            return node
        node = node.backing.node if node.backing else None
    return None


def _copy_up(node: Qcow2Node, old: Node | None, new: Node | None) -> None:
    size = node.cluster_size
    at = 0
    while at < node.size:
        piece = node.extent(at, min(size, node.size - at))
        if piece.kind == UNALLOCATED:
            before = read_padded(old, at, piece.length) if old else bytes(piece.length)
            after = read_padded(new, at, piece.length) if new else bytes(piece.length)
            if before != after:
                if any(before):
                    node.write(at, before)
                else:
                    node.write_zeroes(at, piece.length)
        at += piece.length
