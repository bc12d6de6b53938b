# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img snapshot: list, make, apply and delete the snapshots of an image."""

from __future__ import annotations

import errno
import os
import sys

from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import getopt
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import open_one, reject_objects
from goldlock.embedded.qcow2.node import Qcow2Node


def snapshot(words: list[str]) -> int:
    """List the snapshots of an image, or change them."""
    arguments = getopt.parse(words, "la:c:d:hqU", ("help", "object=", "image-opts", "force-share"))
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    actions = [option for option in arguments.options if option[0] in ("-l", "-a", "-c", "-d")]
    if len(actions) > 1:
        raise getopt.UsageError("Cannot mix '-l', '-a', '-c', '-d'")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    # Without an option QEMU opens the image for writing, and then does nothing.
    action, name = actions[0] if actions else ("", "")
    force_share = arguments.has("-U", "--force-share")
    flags = Flags(read_only=action == "-l", force_share=force_share)
    image = open_one(arguments.operands[0], arguments, flags)
    try:
        if action == "-l":
            _list(image.node)
        elif action:
            _change(image.node, action, name or "")
    finally:
        image.close()
    return 0


def _list(node: Node) -> None:
    if isinstance(node, Qcow2Node) and node.header.snapshot_count:
        from goldlock.embedded.qcow2.snapshots import TITLE, describe, read_snapshots

        lines = [describe(one) for one in read_snapshots(node.storage, node.header)[0]]
        sys.stdout.write("\n".join(["Snapshot list:", TITLE, *lines, ""]))


def _change(node: Node, action: str, name: str) -> None:
    from goldlock.embedded.qcow2 import snapshot_changes as changes

    if action == "-c":
        try:
            if not isinstance(node, Qcow2Node):
                raise BlockError("", code=errno.ENOTSUP)
            changes.create(node, name)
        except BlockError as failure:
            code = failure.code or errno.EINVAL
            raise BlockError(
                f"Could not create snapshot '{name}': {-code} ({os.strerror(code)})"
            ) from None
        return
    what = "apply" if action == "-a" else "delete"
    try:
        if not isinstance(node, Qcow2Node):
            raise BlockError(
                "Block driver does not support snapshots"
                if action == "-a"
                else "snapshot not found"
            )
        (changes.apply if action == "-a" else changes.delete)(node, name)
    except BlockError as failure:
        raise failure.prefixed(f"Could not {what} snapshot '{name}': ") from None
