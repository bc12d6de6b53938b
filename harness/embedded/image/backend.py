# SPDX-License-Identifier: GPL-2.0-or-later
"""Images as commands use them: a node, and what its user does with it."""

from __future__ import annotations

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.block.locks import ALL, CONSISTENT_READ, RESIZE, WRITE
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.open_node import Flags, open_node


class Image:
    """An open image and its user (QEMU's block backend)."""

    def __init__(self, node: Node, perm: int, shared: int = ALL, user: str = "") -> None:
        self.node = node
        try:
            self.edge: Edge | None = graph.use(node, "root", user or "an unnamed block device",
                                               perm, shared)  # fmt: skip
        except BlockError:
            graph.dispose(node)
            raise

    def close(self) -> None:
        """Let go of the image, its locks and its backing chain; a second call does nothing."""
        if self.edge is not None:
            edge, self.edge = self.edge, None
            graph.release(edge)


def open_image(
    filename: str | None, options: Options, flags: Flags, *, resize: bool = False, shared: int = ALL
) -> Image:
    """Open an image for a utility command, which uses what its flags say."""
    node = open_node(filename, dict(options), flags)
    perm = 0
    if not flags.no_io:
        perm = CONSISTENT_READ if flags.read_only else CONSISTENT_READ | WRITE
    if resize:
        perm |= RESIZE
    return Image(node, perm, shared)
