# SPDX-License-Identifier: GPL-2.0-or-later
"""Making qcow2 images, with the locks that QEMU takes on the way."""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from goldlock.embedded.block import graph
from goldlock.embedded.block.files import create_file
from goldlock.embedded.block.locks import ALL, RESIZE, WRITE
from goldlock.embedded.common import report
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.open_node import Flags, open_node
from goldlock.embedded.qcow2.header import Header, l1_entries
from goldlock.embedded.qcow2.node import Qcow2Node
from goldlock.embedded.qcow2.refcounts import pack_count


def create_qcow2(filename: str, size: int, options: Options) -> None:
    """Create `filename` with a guest disk of `size` bytes; BlockError on a bad option or conflict.

    The steps are QEMU's, because each takes other locks: empty the file, write an
    image of size 0, open that and grow it, close, open once more.
    """
    header = _first_header(options)
    if l1_entries(size, header.cluster_bits) * 8 > 32 << 20:
        create_file(filename, 0)
        raise BlockError(
            "The image size is too large for file format 'qcow2' (try using a larger cluster size)"
        )
    create_file(filename, 0)
    try:
        storage = open_node(None, {"driver": "file", "filename": filename}, Flags(read_only=False))
    except BlockError as failure:
        raise failure.prefixed(f"Could not open '{filename}': ") from None
    storage.refcount += 1
    try:
        _fill(storage, header, size, options)
    except BlockError:
        if report.errno_policy() != "none":  # QEMU 5.2 leaves it; later ones go by its name
            with suppress(OSError):
                os.unlink(filename)  # noqa: PTH108 - pathlib takes 10 ms to load
        raise
    finally:
        storage.refcount -= 1
        graph.dispose(storage)


def _fill(storage: graph.Node, header: Header, size: int, options: Options) -> None:
    writer = Image(storage, WRITE | RESIZE, ALL)
    cluster = header.cluster_size
    data = header.encode()
    block = bytearray(cluster)
    for number in range(3):
        pack_count(block, number, 1)
    storage.write(0, data + bytes(cluster - len(data)))
    storage.write(cluster, struct.pack(">Q", 2 * cluster) + bytes(cluster - 8))
    storage.write(2 * cluster, bytes(block))
    writer.close()

    reference = {"driver": "qcow2", "file": storage.name}
    image = open_image(None, dict(reference), Flags(read_only=False), resize=True)
    node = image.node
    assert isinstance(node, Qcow2Node)
    node.truncate(size)
    if "backing_file" in options:
        node.header.backing_file = options["backing_file"]
        node.header.backing_format = options.get("backing_fmt", "")
        node.write_header()
    _trim(node)
    image.close()
    flags = Flags(read_only=False, no_backing=True, no_io=True)
    open_image(None, reference, flags).close()


def _trim(node: Qcow2Node) -> None:
    """Cut the file behind the L1 table's last entry, which is where QEMU leaves it."""
    if node.header.l1_size:
        node.storage.truncate(node.header.l1_offset + node.header.l1_size * 8)


def _first_header(options: Options) -> Header:
    """Return the header of an image of size 0: refcount table, one block, no L1 table."""
    cluster = int(options.get("cluster_size", "65536"))
    if cluster & (cluster - 1) or not 512 <= cluster <= 2 << 20:
        raise BlockError("Cluster size must be a power of two between 512 and 2048k")
    header = Header()
    header.cluster_bits = cluster.bit_length() - 1
    header.reftable_offset, header.reftable_clusters = cluster, 1
    return header
