# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img map."""

from __future__ import annotations

import sys

from goldlock.embedded.common.report import not_served
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.status import Status, status
from goldlock.embedded.img.common import number, one_image, open_one, output_format, parse


def map(words: list[str]) -> int:  # noqa: A001 - the command's name
    """Show which parts of the disk are where, in this image or below it."""
    arguments = parse(
        "map", words, "f:s:l:U",
        ("format=", "output=", "image-opts", "force-share", "start-offset=", "max-length="),
    )  # fmt: skip
    start = number("start offset", arguments.last("-s", "--start-offset") or "0")
    limit = arguments.last("-l", "--max-length")
    most = None if limit is None else number("max length", limit)
    filename = one_image(arguments)
    output = output_format(arguments)
    flags = Flags(force_share=arguments.has("-U", "--force-share"))
    image = open_one(filename, arguments, flags, fmt=arguments.last("-f", "--format"))
    try:
        if image.node.driver == "file":
            raise not_served("map of a node without a format")
        size = image.node.size
        end = size if most is None else min(size, start + most)
        if output == "human":
            sys.stdout.write(f"{'Offset':<16}{'Length':<16}{'Mapped to':<16}File\n")
        _walk(image.node, start, end, output)
    finally:
        image.close()
    return 0


def _walk(node: object, start: int, end: int, output: str) -> None:
    from goldlock.embedded.block.graph import Node

    assert isinstance(node, Node)
    first = True
    at = begin = start
    current = Status(0, 0)  # shown as it is of an empty range
    current.zero = False
    while at < end:
        piece = status(node, at, end - at)
        if not current.length:
            current = piece
        elif _continues(current, piece):
            current.length += piece.length
        else:
            _show(begin, current, output, first)
            first = False
            current, begin = piece, at
        at += piece.length
    _show(begin, current, output, first)
    if output == "json":
        sys.stdout.write("]\n")


def _continues(one: Status, other: Status) -> bool:
    if (one.present, one.zero, one.data, one.depth) != (
        other.present, other.zero, other.data, other.depth
    ):  # fmt: skip
        return False
    if (one.offset is None) != (other.offset is None):
        return False
    return one.offset is None or one.offset + one.length == other.offset


def _show(begin: int, piece: Status, output: str, first: bool) -> None:
    if output == "human":
        if piece.data and not piece.zero and piece.offset is not None:
            place = f"{piece.offset:#x}" if piece.offset else "0"
            where = f"{begin:#x}" if begin else "0"
            sys.stdout.write(f"{where:<16}{piece.length:#x}".ljust(32)
                             + f"{place:<16}{piece.filename}\n")  # fmt: skip
        return
    fields = {
        "start": begin, "length": piece.length, "depth": piece.depth,
        "present": piece.present, "zero": piece.zero, "data": piece.data,
    }  # fmt: skip
    shown = ", ".join(f'"{name}": {str(value).lower()}' for name, value in fields.items())
    if piece.offset is not None:
        shown += f', "offset": {piece.offset}'
    sys.stdout.write(("[" if first else ",\n") + "{ " + shown + "}")
