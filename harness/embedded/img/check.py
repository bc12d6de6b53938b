# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img check."""

from __future__ import annotations

import sys

from goldlock.embedded.common.report import error
from goldlock.embedded.image.open_node import Flags
from goldlock.embedded.img.common import (
    check_cache_mode,
    one_image,
    open_one,
    output_format,
    parse,
)
from goldlock.embedded.qcow2.node import Qcow2Node

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.qcow2.check import Result

_NOT_SUPPORTED = 63


def check(words: list[str]) -> int:
    """Check an image; exit status 0 clean, 2 corrupt, 3 leaks, 63 not checkable, 1 else."""
    arguments = parse(
        "check", words, "f:T:qU!r:",
        ("format=", "output=", "image-opts", "force-share", "!repair="),
    )  # fmt: skip
    filename = one_image(arguments)
    output = output_format(arguments)
    check_cache_mode(arguments.last("-T"), "source cache")
    flags = Flags(force_share=arguments.has("-U", "--force-share"), checking=True)
    image = open_one(filename, arguments, flags, fmt=arguments.last("-f", "--format"))
    try:
        node = image.node
        if not isinstance(node, Qcow2Node):
            error("This image format does not support checks")
            return _NOT_SUPPORTED
        return _check(node, output, arguments.has("-q"), filename)
    finally:
        image.close()


def _check(node: Qcow2Node, output: str, quiet: bool, filename: str) -> int:
    from goldlock.embedded.qcow2.check import check_image

    result = check_image(node)
    if not quiet:
        text = _human(result) if output == "human" else _json(result, filename)
        sys.stdout.write(text)
    if result.corruptions:
        return 2
    return 3 if result.leaks else 0


def _human(result: Result) -> str:
    lines = []
    if not (result.corruptions or result.leaks):
        lines.append("No errors were found on the image.")
    if result.corruptions:
        lines.append(
            f"\n{result.corruptions} errors were found on the image.\n"
            "Data may be corrupted, or further writes to the image may corrupt it."
        )
    if result.leaks:
        lines.append(
            f"\n{result.leaks} leaked clusters were found on the image.\n"
            "This means waste of disk space, but no harm to data."
        )
    allocated = result.allocated_clusters
    if result.total_clusters and allocated:
        lines.append(
            f"{allocated}/{result.total_clusters} = "
            f"{allocated * 100 / result.total_clusters:.2f}% allocated, "
            f"{result.fragmented_clusters * 100 / allocated:.2f}% fragmented, "
            "0.00% compressed clusters"
        )
    if result.image_end_offset:
        lines.append(f"Image end offset: {result.image_end_offset}")
    return "\n".join(lines) + "\n"


def _json(result: Result, filename: str) -> str:
    from goldlock.embedded.common.json_writer import pretty

    facts = {
        "image-end-offset": result.image_end_offset,
        "total-clusters": result.total_clusters,
        "corruptions": result.corruptions,
        "leaks": result.leaks,
        "fragmented-clusters": result.fragmented_clusters,
        "check-errors": result.check_errors,
        "allocated-clusters": result.allocated_clusters,
    }
    kept = {
        name: value for name, value in facts.items()
        if value or name in ("check-errors", "image-end-offset", "total-clusters")
    }  # fmt: skip
    return pretty({**kept, "filename": filename, "format": "qcow2"}) + "\n"
