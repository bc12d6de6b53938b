# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img bench."""

from __future__ import annotations

import sys
import time

from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import getopt
from goldlock.embedded.common.report import BlockError, os_error
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import (
    Reported,
    check_cache_mode,
    number,
    open_one,
    reject_objects,
)

_MAX_INT = (1 << 31) - 1


def bench(words: list[str]) -> int:
    """Send requests to an image and tell how long they took."""
    arguments = getopt.parse(
        words, "hc:d:f:ni:o:qs:S:t:wU",
        ("help", "flush-interval=", "image-opts", "pattern=", "no-drain", "force-share"),
    )  # fmt: skip
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    count = _number(arguments.last("-c"), 75000, "Invalid request count specified")
    depth = _number(arguments.last("-d"), 64, "Invalid queue depth specified")
    try:
        offset = number("offset", arguments.last("-o") or "0")
        length = number("buffer size", arguments.last("-s") or "4096", _MAX_INT)
        step = number("step_size", arguments.last("-S") or "0", _MAX_INT) or length
    except Reported:
        return 1
    interval = _number(arguments.last("--flush-interval"), 0, "Invalid flush interval specified")
    pattern = _number(arguments.last("--pattern"), 0, "Invalid pattern byte specified", 255)
    check_cache_mode(arguments.last("-t"))
    write = arguments.has("-w")
    if not write and interval:
        raise BlockError("--flush-interval is only available in write tests")
    if interval and interval < depth:
        raise BlockError("Flush interval can't be smaller than depth")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    flags = Flags(read_only=not write, force_share=arguments.has("-U", "--force-share"))
    image = open_one(arguments.operands[0], arguments, flags, fmt=arguments.last("-f"))
    try:
        sys.stdout.write(
            f"Sending {count} {'write' if write else 'read'} requests, {length} bytes each, "
            f"{depth} in parallel (starting at offset {offset}, step size {step})\n"
        )
        if interval:
            sys.stdout.write(f"Sending flush every {interval} requests\n")
        started = time.monotonic()
        _requests(
            image.node, count, offset, length, step, bytes((pattern,)) * length if write else b""
        )
        # -q does not quieten these two lines in QEMU either.
        sys.stdout.write(f"Run completed in {time.monotonic() - started:3.3f} seconds.\n")
    finally:
        image.close()
    return 0


def _requests(node: Node, count: int, offset: int, length: int, step: int, data: bytes) -> None:  # noqa: PLR0913, PLR0917 - a request has these parts
    size = node.size
    for _ in range(count):
        if offset + length > size:
            raise os_error("Failed request", 5)
        if data:
            node.write(offset, data)
        else:
            node.read(offset, length)
        offset += step
        if size <= length:
            offset = 0
        else:
            offset %= size - length


def _number(text: str | None, default: int, message: str, most: int = _MAX_INT) -> int:
    if text is None:
        return default
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise BlockError(message)
    return value
