# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img create."""

from __future__ import annotations

from goldlock.embedded.common import getopt
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.create import create_image
from goldlock.embedded.img.common import number, option_list, parse


def create(words: list[str]) -> int:
    """Create an image file and print its `Formatting` line."""
    arguments = parse("create", words, "F:b:f:o:qu")
    given = option_list(arguments)
    if not arguments.operands:
        raise getopt.UsageError("Expecting image file name")
    filename, *rest = arguments.operands
    size = number("image size", rest[0]) if rest else None
    if len(rest) > 1:
        raise getopt.UsageError(f"Unexpected argument: {rest[1]}")
    fmt = arguments.last("-f")
    try:
        create_image(
            filename, "raw" if fmt is None else fmt, given, size, arguments.last("-b"),
            arguments.last("-F"), quiet=arguments.has("-q"), no_backing=arguments.has("-u"),
        )  # fmt: skip
    except BlockError as failure:
        raise failure.prefixed(f"{filename}: ") from None
    return 0
