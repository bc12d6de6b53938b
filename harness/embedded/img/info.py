# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img info."""

from __future__ import annotations

import os
import sys

from goldlock.embedded.block import opening
from goldlock.embedded.block.files import FileNode
from goldlock.embedded.block.graph import Node
from goldlock.embedded.block.opening import Flags
from goldlock.embedded.common import getopt, report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.img.common import human_size, open_one, reject_objects
from goldlock.embedded.qcow2.header import CORRUPT, DIRTY
from goldlock.embedded.qcow2.node import Qcow2Node


def info(words: list[str]) -> int:
    """Tell what an image is, with `--backing-chain` for each image of the chain."""
    arguments = getopt.parse(
        words, "hf:U",
        ("help", "format=", "output=", "backing-chain", "object=", "image-opts", "force-share"),
    )  # fmt: skip
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    output = arguments.last("--output") or "human"
    if output not in ("human", "json"):
        raise BlockError("--output must be used with human or json as argument.")
    chain = _collect(arguments, chain=arguments.has("--backing-chain"))
    if output == "json":
        from goldlock.embedded.common.json_writer import pretty

        shown: object = chain if arguments.has("--backing-chain") else chain[0]
        sys.stdout.write(pretty(shown) + "\n")
    else:
        sys.stdout.write("\n".join(human(one) for one in chain))
    return 0


def _collect(arguments: getopt.Arguments, chain: bool) -> list[dict[str, object]]:
    filename = arguments.operands[0]
    fmt = arguments.last("-f", "--format")
    flags = Flags(no_io=True, no_backing=True, force_share=arguments.has("-U", "--force-share"))
    found = []
    seen: set[str] = set()
    while True:
        if filename in seen:
            raise BlockError(f"Backing file '{filename}' creates an infinite loop.")
        seen.add(filename)
        image = open_one(filename, arguments, flags, fmt=fmt)
        try:
            found.append(describe(image.node))
            filename, fmt = opening.backing_of(image.node)
        finally:
            image.close()
        if not chain or not filename:
            return found
        fmt = fmt or None
        arguments.options = [one for one in arguments.options if one[0] != "--image-opts"]


def storage_of(node: Node) -> Node:
    """Return the node at the bottom below `node`."""
    while node.file is not None:
        node = node.file.node
    return node


def describe(node: Node) -> dict[str, object]:
    """Return what QEMU's ImageInfo says about a node, in the order in which it prints it."""
    facts: dict[str, object] = {}
    bottom = storage_of(node)
    used = os.fstat(bottom.fd).st_blocks * 512 if isinstance(bottom, FileNode) else 0
    if isinstance(node, Qcow2Node) and node.header.backing_file and node.header.backing_format:
        facts["backing-filename-format"] = node.header.backing_format
    if isinstance(node, Qcow2Node) and node.header.snapshot_count:
        facts["snapshots"] = _snapshots(node)
    facts["virtual-size"] = node.size
    facts["filename"] = node.filename
    if isinstance(node, Qcow2Node):
        facts["cluster-size"] = node.cluster_size
    facts["format"] = node.driver
    facts["actual-size"] = used
    if isinstance(node, Qcow2Node):
        facts["format-specific"] = {"type": "qcow2", "data": _specific(node)}
        if node.header.backing_file:
            facts["full-backing-filename"] = opening.backing_of(node)[0]
            facts["backing-filename"] = node.header.backing_file
    facts["dirty-flag"] = isinstance(node, Qcow2Node) and bool(node.header.incompatible & DIRTY)
    return facts


def _specific(node: Qcow2Node) -> dict[str, object]:
    header = node.header
    if header.version == 2:
        return {"compat": "0.10", "compression-type": "zlib", "refcount-bits": 16}
    return {
        "compat": "1.1",
        "compression-type": ("zlib", "zstd")[header.compression_type],
        "lazy-refcounts": header.lazy_refcounts,
        "refcount-bits": 1 << header.refcount_order,
        "corrupt": bool(header.incompatible & CORRUPT),
        "extended-l2": False,
    }


def _snapshots(node: Qcow2Node) -> list[object]:
    from goldlock.embedded.qcow2.snapshots import read_snapshots

    return [
        {
            **({} if one.icount is None else {"icount": one.icount}),
            "vm-clock-nsec": one.vm_clock % 1000000000,
            "name": one.name,
            "date-sec": one.seconds,
            "date-nsec": one.nanoseconds,
            "vm-clock-sec": one.vm_clock // 1000000000,
            "id": one.id,
            "vm-state-size": one.vm_state_size,
            "-line": _line(one),
        }
        for one in read_snapshots(node)[0]
    ]


def _line(one: object) -> str:
    from goldlock.embedded.qcow2.snapshots import Snapshot, describe

    assert isinstance(one, Snapshot)
    return describe(one)


def human(facts: dict[str, object]) -> str:
    """Return the lines of `qemu-img info` for one image."""
    size = facts["virtual-size"]
    used = facts["actual-size"]
    assert isinstance(size, int)
    assert isinstance(used, int)
    lines = [
        f"image: {facts['filename']}",
        f"file format: {facts['format']}",
        f"virtual size: {human_size(size)} ({size} bytes)",
        f"disk size: {human_size(used)}",
    ]
    if "cluster-size" in facts:
        lines.append(f"cluster_size: {facts['cluster-size']}")
    if facts["dirty-flag"]:
        lines.append("cleanly shut down: no")
    if "backing-filename" in facts:
        name, full = facts["backing-filename"], facts["full-backing-filename"]
        lines.append(f"backing file: {name}" + (f" (actual path: {full})" if full != name else ""))
        if "backing-filename-format" in facts:
            lines.append(f"backing file format: {facts['backing-filename-format']}")
    snapshots = facts.get("snapshots")
    if isinstance(snapshots, list):
        from goldlock.embedded.qcow2.snapshots import TITLE

        lines += ["Snapshot list:", TITLE, *(one["-line"] for one in snapshots)]
    specific = facts.get("format-specific")
    if isinstance(specific, dict):
        lines.append("Format specific information:")
        for key, value in specific["data"].items():
            shown = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"    {key.replace('-', ' ')}: {shown}")
    return "\n".join(lines) + "\n"


__all__ = ["describe", "human", "info", "report", "storage_of"]
