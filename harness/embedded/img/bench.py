# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img bench."""

from __future__ import annotations

import sys
import time

from goldlock.embedded.common.report import BlockError, not_served, os_error
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import one_image, open_one, parse

_LENGTH = 4096
_MOST = 100_000


def bench(words: list[str]) -> int:
    """Send requests to an image, one behind the other, and tell how long they took."""
    arguments = parse(
        "bench", words, "c:f:wU!d:ni:o:qs:S:t:",
        ("image-opts", "force-share", "!flush-interval=", "!pattern=", "!no-drain"),
    )  # fmt: skip
    text = arguments.last("-c") if arguments.has("-c") else "75000"
    assert text is not None
    if text[:1] in ("0", " ", "+") and text != "0":
        raise not_served(f"bench -c '{text}'")  # octal, hexadecimal, or with something before
    if not text.isdecimal() or len(text) > 10 or int(text) > 0x7FFFFFFF:
        raise BlockError("Invalid request count specified")
    count = int(text)
    filename = one_image(arguments)
    if count > _MOST:
        raise not_served(f"bench with {count} requests")
    write = arguments.has("-w")
    flags = Flags(read_only=not write, force_share=arguments.has("-U", "--force-share"))
    image = open_one(filename, arguments, flags, fmt=arguments.last("-f"))
    try:
        sys.stdout.write(
            f"Sending {count} {'write' if write else 'read'} requests, {_LENGTH} bytes each, "
            f"64 in parallel (starting at offset 0, step size {_LENGTH})\n"
        )
        started = time.monotonic()
        size, offset = image.node.size, 0
        for _ in range(count):
            if offset + _LENGTH > size:
                raise os_error("Failed request", 5)
            if write:
                image.node.write(offset, bytes(_LENGTH))
            else:
                image.node.read(offset, _LENGTH)
            offset = 0 if size <= _LENGTH else (offset + _LENGTH) % (size - _LENGTH)
        sys.stdout.write(f"Run completed in {time.monotonic() - started:3.3f} seconds.\n")
    finally:
        image.close()
    return 0
