# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img info."""

from __future__ import annotations

import sys

from goldlock.embedded.common.getopt import Arguments
from goldlock.embedded.common.options import human_size
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.describe import describe
from goldlock.embedded.image.open_node import Flags, backing_of
from goldlock.embedded.img.common import one_image, open_one, output_format, parse


def info(words: list[str]) -> int:
    """Tell what an image is, with `--backing-chain` for each image of the chain."""
    arguments = parse(
        "info", words, "f:U", ("format=", "output=", "backing-chain", "image-opts", "force-share")
    )
    filename = one_image(arguments)
    output = output_format(arguments)
    chain = _collect(filename, arguments, chain=arguments.has("--backing-chain"))
    if output == "json":
        from goldlock.embedded.common.json_writer import pretty

        shown: object = chain if arguments.has("--backing-chain") else chain[0]
        sys.stdout.write(pretty(shown) + "\n")
    else:
        sys.stdout.write("\n".join(human(one) for one in chain))
    return 0


def _collect(filename: str, arguments: Arguments, chain: bool) -> list[dict[str, object]]:
    fmt = arguments.last("-f", "--format")
    flags = Flags(no_io=True, no_backing=True, force_share=arguments.has("-U", "--force-share"))
    found = []
    seen: set[str] = set()
    while True:
        if filename in seen:
            raise BlockError(f"Backing file '{filename}' creates an infinite loop.")
        seen.add(filename)
        image = open_one(filename, arguments, flags, fmt=fmt)
        try:
            found.append(describe(image.node))
            filename, fmt = backing_of(image.node)
        finally:
            image.close()
        if not chain or not filename:
            return found
        fmt = fmt or None
        arguments.options = [one for one in arguments.options if one[0] != "--image-opts"]


def human(facts: dict[str, object]) -> str:
    """Return the lines of `qemu-img info` for one image."""
    size = facts["virtual-size"]
    used = facts["actual-size"]
    assert isinstance(size, int)
    assert isinstance(used, int)
    lines = [
        f"image: {facts['filename']}",
        f"file format: {facts['format']}",
        f"virtual size: {human_size(size)} ({size} bytes)",
        f"disk size: {human_size(used)}",
    ]
    if "cluster-size" in facts:
        lines.append(f"cluster_size: {facts['cluster-size']}")
    if facts["dirty-flag"]:
        lines.append("cleanly shut down: no")
    if "backing-filename" in facts:
        name, full = facts["backing-filename"], facts["full-backing-filename"]
        lines.append(f"backing file: {name}" + (f" (actual path: {full})" if full != name else ""))
        if "backing-filename-format" in facts:
            lines.append(f"backing file format: {facts['backing-filename-format']}")
    specific = facts.get("format-specific")
    if isinstance(specific, dict):
        lines.append("Format specific information:")
        for key, value in specific["data"].items():
            shown = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"    {key.replace('-', ' ')}: {shown}")
    return "\n".join(lines) + "\n"
