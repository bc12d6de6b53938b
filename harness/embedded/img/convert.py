# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img convert and dd: a new image with the contents of another."""

from __future__ import annotations

from goldlock.embedded.block.files import zeroes
from goldlock.embedded.block.graph import Node
from goldlock.embedded.block.locks import CONSISTENT_READ, WRITE_UNCHANGED
from goldlock.embedded.block.registry import NOT_SERVED, SERVED
from goldlock.embedded.common.getopt import Arguments
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.create import check_options, format_image, known_options
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.status import reads_as_zero
from goldlock.embedded.img.common import (
    check_cache_mode,
    number,
    open_one,
    option_list,
    parse,
    target_format,
)
from goldlock.embedded.qcow2.node import Qcow2Node

_CHUNK = 1 << 20
_BLOCK = 4096


def convert(words: list[str]) -> int:
    """Copy one image, or several one behind the other, into a new one, or with -n an old one."""
    arguments = parse(
        "convert", words, "f:O:o:t:T:qnU!B:CcF:l:S:pm:Wr:",
        ("image-opts", "force-share", "!source-image-opts", "!target-image-opts", "!salvage",
         "!target-is-zero", "!bitmaps", "!skip-broken-bitmaps"),
    )  # fmt: skip
    given = option_list(arguments)
    *sources, target = arguments.operands or [""]
    if not sources:
        raise BlockError("Must specify image file name")
    check_cache_mode(arguments.last("-t"))
    check_cache_mode(arguments.last("-T"), "source cache")
    fresh = not arguments.has("-n")
    if given and not fresh:
        raise not_served("convert -n with -o")
    flags = Flags(force_share=arguments.has("-U", "--force-share"))
    opened: list[Image] = []
    output: Image | None = None
    try:
        for source in sources:
            opened.append(
                open_one(
                    source, arguments, flags, fmt=arguments.last("-f"),
                    shared=CONSISTENT_READ | WRITE_UNCHANGED,
                )
            )  # fmt: skip
        size = sum(one.node.size for one in opened)
        fmt = target_format(arguments)
        if fresh:
            options = check_options(given, known_options(fmt, target))
            for name in ("backing_file", "backing_fmt"):
                if name in options:
                    raise not_served(f"convert -o {name}")
            options["size"] = str(size)  # whatever -o says
            _create(target, fmt, options, f"error while converting {fmt}: ")
        output = _open_target(target, fmt, size)
        at = 0
        for one in opened:
            _copy(one.node, output.node, at, one.node.size, fresh)
            at += one.node.size
    finally:
        if output is not None:
            output.close()
        for one in opened:
            one.close()
    return 0


def _create(target: str, fmt: str, options: dict[str, str], failed: str) -> None:
    try:
        format_image(target, fmt, options)
    except BlockError as failure:
        raise failure.prefixed(f"{target}: {failed}") from None


def _open_target(target: str, fmt: str, size: int) -> Image:
    try:
        output = open_image(target, {"driver": fmt}, Flags(read_only=False))
    except BlockError as failure:
        raise failure.prefixed(f"Could not open '{target}': ") from None
    if output.node.size < size:
        output.close()
        raise BlockError("output file is smaller than input file")
    return output


def _copy(source: Node, target: Node, to: int, length: int, fresh: bool) -> None:
    """Copy the first `length` bytes; a fresh target reads as zeroes where nothing is written."""
    at = 0
    while at < length:
        zero, step = reads_as_zero(source, at, length - at)
        if zero:
            if not fresh:
                _write_zeroes(target, to + at, step)
        else:
            step = min(step, _CHUNK)
            data = source.read(at, step)
            if fresh:
                _write_nonzero(target, to + at, data)
            else:
                target.write(to + at, data)
        at += step


def _write_zeroes(target: Node, offset: int, length: int) -> None:
    if isinstance(target, Qcow2Node):
        target.write_zeroes(offset, length)
        return
    end = offset + length
    while offset < end:
        zero, step = reads_as_zero(target, offset, min(_CHUNK, end - offset))
        if not zero:
            target.write(offset, zeroes(step))
        offset += step


def _write_nonzero(target: Node, offset: int, data: bytes) -> None:
    begin = None
    for at in range(0, len(data), _BLOCK):
        blank = not any(data[at : at + _BLOCK])
        if not blank and begin is None:
            begin = at
        elif blank and begin is not None:
            target.write(offset + begin, data[begin:at])
            begin = None
    if begin is not None:
        target.write(offset + begin, data[begin:])


def dd(words: list[str]) -> int:
    """Copy the first blocks of one image into a new one, with dd's operands."""
    arguments = parse("dd", words, "f:O:U", ("image-opts", "force-share"))
    given, block, count = _dd_operands(arguments)
    if "if" not in given or "of" not in given:
        raise BlockError("Must specify both input and output files")
    fmt = target_format(arguments)
    flags = Flags(force_share=arguments.has("-U", "--force-share"))
    source = open_one(given["if"], arguments, flags, fmt=arguments.last("-f"))
    output: Image | None = None
    try:
        if fmt not in (*SERVED, *NOT_SERVED):
            raise BlockError("Unknown file format")
        known_options(fmt, given["of"])
        size = source.node.size
        if count is not None:
            size = min(size, count * block)
        _create(given["of"], fmt, {"size": str(size)}, "error while creating output image: ")
        output = _open_target(given["of"], fmt, 0)
        _copy(source.node, output.node, 0, size, fresh=True)
    finally:
        source.close()
        if output is not None:
            output.close()
    return 0


def _dd_operands(arguments: Arguments) -> tuple[dict[str, str], int, int | None]:
    """Return the operands by name, the size of a block, and how many there are to be."""
    given: dict[str, str] = {}
    block, count = 512, None
    for word in arguments.operands:
        name, equals, value = word.partition("=")
        if name == "skip" and equals:
            raise not_served("Operand 'skip' of dd")
        if not equals or name not in ("bs", "count", "if", "of"):
            raise BlockError(f"unrecognized operand {name}")
        given[name] = value
        if name == "bs":
            block = number("bs", value, (1 << 31) - 1, least=1)
        elif name == "count":
            count = number("count", value)
    return given, block, count
