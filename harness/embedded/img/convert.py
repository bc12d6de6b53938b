# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img convert and dd: a new image with the contents of another."""

from __future__ import annotations

from goldlock.embedded.block.graph import Node
from goldlock.embedded.block.locks import CONSISTENT_READ, WRITE_UNCHANGED
from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.getopt import Arguments
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.create import check_options, format_image, known_options
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.image.status import reads_as_zero
from goldlock.embedded.img.common import (
    Reported,
    check_cache_mode,
    number,
    open_one,
    reject_objects,
)
from goldlock.embedded.qcow2.node import Qcow2Node

_CHUNK = 1 << 20
_BLOCK = 4096
_NOT_SERVED = (
    "-l", "--target-image-opts", "--salvage", "--target-is-zero", "--bitmaps",
    "--skip-broken-bitmaps",
)  # fmt: skip


def convert(words: list[str]) -> int:
    """Copy one image, or several one behind the other, into a new one."""
    arguments = getopt.parse(
        words, "hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:",
        ("help", "source-image-opts", "object=", "image-opts", "force-share", "target-image-opts",
         "salvage", "target-is-zero", "bitmaps", "skip-broken-bitmaps"),
    )  # fmt: skip
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    for option in _NOT_SERVED:
        if arguments.has(option):
            raise not_served(f"Option '{option}' of convert")
    *sources, target = arguments.operands or [""]
    if not sources:
        raise BlockError("Must specify image file name")
    check_cache_mode(arguments.last("-t"))
    check_cache_mode(arguments.last("-T"), "source cache")
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
        output = _open_target(target, arguments, size)
        if arguments.has("-c"):
            _copy_packed([one.node for one in opened], output.node)
        else:
            at = 0
            for one in opened:
                _copy(one.node, 0, output.node, at, one.node.size)
                at += one.node.size
    finally:
        if output is not None:
            output.close()
        for one in opened:
            one.close()
    return 0


def _open_target(target: str, arguments: Arguments, size: int) -> Image:
    fmt = arguments.last("-O") or "raw"
    has_backing = False
    if not arguments.has("-n"):
        options = check_options(
            opts.parse(",".join(arguments.all("-o"))) if arguments.has("-o") else {},
            known_options(fmt, target),
        )
        options.setdefault("size", str(size))
        if arguments.has("-B"):
            options["backing_file"] = arguments.last("-B") or ""
        if arguments.has("-F"):
            options["backing_fmt"] = arguments.last("-F") or ""
        has_backing = "backing_file" in options
        if has_backing and "backing_fmt" not in options:
            raise BlockError("Use of backing file requires explicit backing format")
        if arguments.has("-c") and fmt != "qcow2":
            raise BlockError("Compression not supported for this file format")
        try:
            format_image(target, fmt, options)
        except BlockError as failure:
            raise failure.prefixed(f"{target}: error while converting {fmt}: ") from None
    try:
        # A fresh target takes what is written whatever lies below it.
        output = open_image(target, {"driver": fmt}, Flags(read_only=False))
    except BlockError as failure:
        raise failure.prefixed(f"Could not open '{target}': ") from None
    if output.node.size < size:
        output.close()
        raise BlockError("output file is smaller than input file")
    return output


def _copy(source: Node, start: int, target: Node, to: int, length: int) -> None:
    """Copy a range, leaving out what is zero: a new image reads as zeroes."""
    keep_zeroes = target.backing is not None
    at = 0
    while at < length:
        zero, step = reads_as_zero(source, start + at, length - at)
        if not zero or keep_zeroes:
            step = min(step, _CHUNK)
            data = bytes(step) if zero else source.read(start + at, step)
            _write_nonzero(target, to + at, data, keep_zeroes)
        at += step


def _write_nonzero(target: Node, offset: int, data: bytes, keep_zeroes: bool) -> None:
    if keep_zeroes:
        target.write(offset, data)
        return
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


def _copy_packed(sources: list[Node], target: Node) -> None:
    """Copy images, one behind the other, into compressed clusters; what is zero is left out."""
    if not isinstance(target, Qcow2Node):
        raise BlockError("Compression not supported for this file format")
    keep_zeroes = target.backing is not None
    size = target.cluster_size
    end = sum(source.size for source in sources)
    at = 0
    while at < end:
        zeroes = 0 if keep_zeroes else _zeroes_at(sources, at)
        if zeroes >= size:
            at += zeroes // size * size
            continue
        data = _read_across(sources, at, min(size, end - at))
        if keep_zeroes or data.count(0) < len(data):
            try:
                target.write_compressed(at, data)
            except BlockError as failure:
                if not failure.code:
                    raise
                raise report.os_error(f"error while writing at byte {at}", failure.code) from None
        at += len(data)
    target.align_end()


def _zeroes_at(sources: list[Node], at: int) -> int:
    """Return how many bytes from `at` on are known to be zeroes, within one source."""
    for source in sources:
        if at < source.size:
            zero, length = reads_as_zero(source, at, source.size - at)
            return length if zero else 0
        at -= source.size
    return 0


def _read_across(sources: list[Node], at: int, length: int) -> bytes:
    parts = []
    for source in sources:
        here = max(0, min(length, source.size - at))
        if here:
            parts.append(source.read(at, here))
            length -= here
        at = max(0, at - source.size)
    return b"".join(parts)


def dd(words: list[str]) -> int:
    """Copy blocks of one image into a new one, with dd's operands."""
    arguments = getopt.parse(words, "hf:O:U", ("help", "object=", "image-opts", "force-share"))
    if arguments.has("-h", "--help"):
        from goldlock.embedded.img.main import show_help

        return show_help()
    reject_objects(arguments)
    given: dict[str, str] = {}
    try:
        block, count, skip = _dd_operands(arguments, given)
    except Reported:
        return 1
    if "if" not in given or "of" not in given:
        raise BlockError("Must specify both input and output files")
    fmt = arguments.last("-O") or "raw"
    flags = Flags(force_share=arguments.has("-U", "--force-share"))
    source = open_one(given["if"], arguments, flags, fmt=arguments.last("-f"))
    output: Image | None = None
    try:
        known_options(fmt, given["of"])
        size = source.node.size
        if count is not None:
            size = min(size, count * block)
        # As with QEMU, count includes the blocks that are skipped.
        start = skip * block
        if start > size:
            report.error(f"{given['if']}: cannot skip to specified offset")
        size = max(size - start, 0)
        try:
            format_image(given["of"], fmt, {"size": str(size)})
        except BlockError as failure:
            raise failure.prefixed(f"{given['of']}: error while creating output image: ") from None
        try:
            output = open_image(given["of"], {"driver": fmt}, Flags(read_only=False))
        except BlockError as failure:
            raise failure.prefixed(f"Could not open '{given['of']}': ") from None
        _copy(source.node, start, output.node, 0, size)
    finally:
        source.close()
        if output is not None:
            output.close()
    return 0


def _dd_operands(arguments: Arguments, given: dict[str, str]) -> tuple[int, int | None, int]:
    for word in arguments.operands:
        name, equals, value = word.partition("=")
        if not equals or name not in ("bs", "count", "skip", "if", "of"):
            raise BlockError(f"unrecognized operand {name}")
        given[name] = value
    most = (1 << 63) - 1
    block = number("bs", given["bs"], (1 << 31) - 1) if "bs" in given else 512
    if not block:
        raise BlockError("Invalid bs specified. Must be between 1 and 2147483647.")
    count = number("count", given["count"], most) if "count" in given else None
    skip = number("skip", given["skip"], most) if "skip" in given else 0
    return block, count, skip
