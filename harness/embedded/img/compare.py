# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img compare."""

from __future__ import annotations

import sys

from goldlock.embedded.block.files import zeroes
from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import getopt
from goldlock.embedded.common.report import BlockError, error, not_served
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.status import reads_as_zero
from goldlock.embedded.img.common import check_cache_mode, open_one, parse
from goldlock.embedded.qcow2.map import read_padded

_CHUNK = 1 << 20
_SECTOR = 512
_FAILED = 2


def compare(words: list[str]) -> int:
    """Compare the contents of two images; exit status 0 same, 1 different, 2 an error."""
    arguments = parse("compare", words, "f:F:T:qsU!p", ("image-opts", "force-share"))
    if len(arguments.operands) != 2:
        raise getopt.UsageError("Expecting two image file names")
    first_name, second_name = arguments.operands
    flags = Flags(force_share=arguments.has("-U", "--force-share"))
    quiet = arguments.has("-q")
    try:
        check_cache_mode(arguments.last("-T"), "source cache")
        first = open_one(first_name, arguments, flags, fmt=arguments.last("-f"))
    except BlockError as failure:
        error(failure.message, failure.hint)
        return _FAILED
    try:
        second = open_one(second_name, arguments, flags, fmt=arguments.last("-F"))
    except BlockError as failure:
        error(failure.message, failure.hint)
        first.close()
        return _FAILED
    try:
        status, text = _compare(first.node, second.node, strict=arguments.has("-s"), quiet=quiet)
        if not quiet:
            sys.stdout.write(text + "\n")
    finally:
        second.close()
        first.close()
    return status


def _compare(first: Node, second: Node, strict: bool, quiet: bool) -> tuple[int, str]:
    size = min(first.size, second.size)
    if strict and first.size != second.size:
        return 1, "Strict mode: Image size mismatch!"
    if strict:
        raise not_served("compare -s of images of one size")
    place = _first_difference(first, second, 0, size)
    if place is None and first.size != second.size:
        if not quiet:
            sys.stdout.write("Warning: Image size mismatch!\n")
        longer = first if first.size > second.size else second
        place = _first_difference(longer, None, size, longer.size)
    if place is not None:
        return 1, f"Content mismatch at offset {place}!"
    return 0, "Images are identical."


def _first_difference(first: Node, second: Node | None, start: int, end: int) -> int | None:
    """Return the first sector that differs (from zeroes if there is no second image), or None."""
    at = start
    while at < end:
        zero, length = reads_as_zero(first, at, end - at)
        other_zero = True
        if second is not None:
            other_zero, length = reads_as_zero(second, at, length)
        if zero and other_zero:
            at += length
            continue
        length = min(length, _CHUNK)
        one = read_padded(first, at, length)
        two = zeroes(length) if second is None else read_padded(second, at, length)
        if one != two:
            for sector in range(0, length, _SECTOR):
                if one[sector : sector + _SECTOR] != two[sector : sector + _SECTOR]:
                    return at + sector
        at += length
    return None
