# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img create."""

from __future__ import annotations

from goldlock.embedded.common import getopt
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.create import create_image
from goldlock.embedded.img.common import Reported, number, reject_objects


def create(words: list[str]) -> int:
    """Create an image file and print its `Formatting` line."""
    arguments = getopt.parse(words, "F:b:f:ho:qu", ("help", "object="))
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    given = opts.parse(",".join(arguments.all("-o"))) if arguments.has("-o") else {}
    if not arguments.operands:
        raise getopt.UsageError("Expecting image file name")
    filename, *rest = arguments.operands
    try:
        size = number("image size", rest[0]) if rest else None
    except Reported:
        return 1
    if len(rest) > 1:
        raise getopt.UsageError(f"Unexpected argument: {rest[1]}")
    try:
        create_image(
            filename, arguments.last("-f") or "raw", given, size, arguments.last("-b"),
            arguments.last("-F"), quiet=arguments.has("-q"), no_backing=arguments.has("-u"),
        )  # fmt: skip
    except BlockError as failure:
        raise failure.prefixed(f"{filename}: ") from None
    return 0
