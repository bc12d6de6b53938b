# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img resize and amend."""

from __future__ import annotations

import struct
import sys

from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.create import NO_SIZE, SIZE_HINT, check_options
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.resize import truncate
from goldlock.embedded.img.common import check_cache_mode, open_one, reject_objects
from goldlock.embedded.qcow2.header import LAZY_REFCOUNTS
from goldlock.embedded.qcow2.node import Qcow2Node

_AMENDABLE: tuple[tuple[str, str | None], ...] = (
    ("size", None), ("compat", None), ("backing_file", None), ("backing_fmt", None),
    ("data_file", None), ("data_file_raw", None), ("lazy_refcounts", None),
    ("refcount_bits", None),
)  # fmt: skip
_CREATION_ONLY = (
    "cluster_size", "extended_l2", "preallocation", "compression_type", "encryption",
    "encrypt.format", "nocow",
)  # fmt: skip


def resize(words: list[str]) -> int:
    """Change the size of the guest's disk: `+` and `-` before the size are relative."""
    if len(words) < 2:
        raise getopt.UsageError("Not enough arguments")
    *words, size_text = words
    arguments = getopt.parse(
        words, "f:hq", ("help", "object=", "image-opts", "preallocation=", "shrink")
    )
    if arguments.has("-h", "--help") or size_text in ("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    preallocation = arguments.last("--preallocation")
    if preallocation not in (None, "off", "metadata", "falloc", "full"):
        raise BlockError(f"Invalid preallocation mode '{preallocation}'")
    if preallocation not in (None, "off"):
        raise not_served("Option '--preallocation'")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting image file name and size")
    sign = {"+": 1, "-": -1}.get(size_text[:1], 0)
    change = opts.size(size_text[1:] if sign else size_text)
    if change is None:
        raise BlockError(f"Parameter 'size' {NO_SIZE}", SIZE_HINT)
    image = open_one(
        arguments.operands[0], arguments, Flags(read_only=False), fmt=arguments.last("-f"),
        resize=True,
    )  # fmt: skip
    try:
        before = image.node.size
        wanted = before + sign * change if sign else change
        if wanted <= 0:
            raise BlockError("New image size must be positive")
        if wanted < before and not arguments.has("--shrink"):
            report.error("Use the --shrink option to perform a shrink operation.")
            report.warn(
                "Shrinking an image will delete all data beyond the shrunken image's end. "
                "Before performing such an operation, make sure there is no important data there."
            )
            return 1
        truncate(image.node, -(-wanted // 512) * 512 if image.node.driver == "raw" else wanted)
        if not arguments.has("-q"):
            sys.stdout.write("Image resized.\n")
    finally:
        image.close()
    return 0


def amend(words: list[str]) -> int:
    """Change format options of an image that exists."""
    arguments = getopt.parse(words, "ho:f:t:pq", ("help", "object=", "image-opts", "force"))
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    if not arguments.has("-o"):
        raise getopt.UsageError("Must specify options (-o)")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    given = opts.parse(",".join(arguments.all("-o")))
    for name in given:
        if name in _CREATION_ONLY:
            raise BlockError(
                f"Invalid parameter '{name}'", "This option is only supported for image creation"
            )
    check_cache_mode(arguments.last("-t"))
    image = open_one(
        arguments.operands[0], arguments, Flags(read_only=False), fmt=arguments.last("-f")
    )
    try:
        if not isinstance(image.node, Qcow2Node):
            raise BlockError(
                f"Format driver '{image.node.driver}' does not support option amendment"
            )
        _amend(image.node, check_options(given, _AMENDABLE))
    finally:
        image.close()
    return 0


def _amend(node: Qcow2Node, given: opts.Options) -> None:
    header = node.header
    versions = {"0.10": 2, "v2": 2, "1.1": 3, "v3": 3}
    compat = given.get("compat")
    if compat is not None and compat not in versions:
        raise BlockError(f"Unknown compatibility level {compat}")
    if compat is not None and versions[compat] != header.version:
        raise not_served("Option 'compat' of amend")
    for name in ("backing_file", "backing_fmt"):
        present = header.backing_file if name == "backing_file" else header.backing_format
        if name in given and given[name] != present:
            raise BlockError(
                "Cannot amend the backing file", "You can use 'qemu-img rebase' instead."
            )
    if "data_file" in given or given.get("data_file_raw", "off") != "off":
        raise BlockError("data-file can only be set for images that use an external data file")
    if "refcount_bits" in given and int(given["refcount_bits"]) != 1 << header.refcount_order:
        raise not_served("Option 'refcount_bits' of amend")
    _amend_values(node, given)


def _amend_values(node: Qcow2Node, given: opts.Options) -> None:
    header = node.header
    if "lazy_refcounts" in given:
        if header.version < 3 and given["lazy_refcounts"] == "on":
            raise BlockError(
                "Lazy refcounts only supported with compatibility level 1.1 and above "
                "(use compat=1.1 or greater)"
            )
        on = LAZY_REFCOUNTS if given["lazy_refcounts"] == "on" else 0
        header.compatible = header.compatible & ~LAZY_REFCOUNTS | on
        if header.version >= 3:
            node.storage.write(80, struct.pack(">Q", header.compatible))
    if "size" in given and int(given["size"]) != node.size:
        node.truncate(int(given["size"]))
