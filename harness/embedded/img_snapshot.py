"""qemu-img snapshot -l."""

from __future__ import annotations

import sys

from harness.embedded import getopt
from harness.embedded.images import Flags
from harness.embedded.img_common import open_one, reject_objects
from harness.embedded.report import BlockError


def snapshot(words: list[str]) -> int:
    """List the snapshots of an image."""
    arguments = getopt.parse(words, "la:c:d:hqU", ("help", "object=", "image-opts", "force-share"))
    if arguments.has("-h", "--help"):
        from harness.embedded.qemu_img import show_help

        return show_help()
    reject_objects(arguments)
    actions = [name for name, _ in arguments.options if name in ("-l", "-a", "-c", "-d")]
    if len(actions) > 1:
        raise getopt.UsageError("Cannot mix '-l', '-a', '-c', '-d'")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    action = actions[0] if actions else "-l"
    force_share = arguments.has("-U", "--force-share")
    if action != "-l":
        raise BlockError(f"Option '{action}' of snapshot is not served by the embedded programs")
    # Without an option QEMU lists too, but opens the image for writing first.
    flags = Flags(read_only=bool(actions), force_share=force_share)
    image = open_one(arguments.operands[0], arguments, flags)
    try:
        from harness.embedded.qcow2 import Qcow2Node

        if isinstance(image.node, Qcow2Node) and image.node.header.snapshot_count and actions:
            from harness.embedded.qcow2_snapshots import TITLE, describe, read_snapshots

            lines = [describe(one) for one in read_snapshots(image.node)[0]]
            sys.stdout.write("\n".join(["Snapshot list:", TITLE, *lines, ""]))
    finally:
        image.close()
    return 0
