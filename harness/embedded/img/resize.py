# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img resize and amend."""

from __future__ import annotations

import sys

from goldlock.embedded.common import getopt, report
from goldlock.embedded.common.options import size_option
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.resize import truncate
from goldlock.embedded.img.common import one_image, open_one, option_list, parse
from goldlock.embedded.qcow2.node import Qcow2Node


def resize(words: list[str]) -> int:
    """Change the size of the guest's disk: `+` and `-` before the size are relative."""
    if len(words) < 2:
        raise getopt.UsageError("Not enough arguments")
    *words, text = words
    arguments = parse("resize", words, "f:q", ("image-opts", "shrink", "!preallocation="))
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting image file name and size")
    sign = {"+": 1, "-": -1}.get(text[:1], 0)
    change = size_option("size", text[1:] if sign else text)
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
        truncate(image.node, wanted)
        if not arguments.has("-q"):
            sys.stdout.write("Image resized.\n")
    finally:
        image.close()
    return 0


def amend(words: list[str]) -> int:
    """Change the size of an image, which is all that is served of this command."""
    arguments = parse("amend", words, "o:f:q!t:p", ("image-opts", "!force"))
    if not arguments.has("-o"):
        raise getopt.UsageError("Must specify options (-o)")
    given = option_list(arguments)
    filename = one_image(arguments)
    for name in given:
        if name != "size":
            raise not_served(f"amend -o {name}")
    image = open_one(filename, arguments, Flags(read_only=False), fmt=arguments.last("-f"))
    try:
        if not isinstance(image.node, Qcow2Node):
            raise BlockError(
                f"Format driver '{image.node.driver}' does not support option amendment"
            )
        size = size_option("size", given["size"])
        if size and size != image.node.size:
            image.node.truncate(size)
    finally:
        image.close()
    return 0
