# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img snapshot: list the snapshots of an image."""

from __future__ import annotations

from goldlock.embedded.common import getopt
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import one_image, open_one, parse


def snapshot(words: list[str]) -> int:
    """List the snapshots of an image."""
    arguments = parse("snapshot", words, "lqU!a:c:d:", ("image-opts", "force-share"))
    listed = [option for option, _ in arguments.options].count("-l")
    if listed > 1:
        raise getopt.UsageError("Cannot mix '-l', '-a', '-c', '-d'")
    filename = one_image(arguments)
    # Without an option QEMU opens the image for writing, and then does nothing.
    flags = Flags(read_only=bool(listed), force_share=arguments.has("-U", "--force-share"))
    image = open_one(filename, arguments, flags)
    image.close()  # it has none: an image with snapshots is refused
    return 0
