# SPDX-License-Identifier: GPL-2.0-or-later
"""Making images: their options, and what is said of them."""

from __future__ import annotations

import errno
import sys

from goldlock.embedded.block import graph, registry
from goldlock.embedded.block.registry import Served
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.open_node import Flags, open_node

# The options in the order in which QEMU prints them, with their defaults.
_QCOW2_OPTIONS: tuple[tuple[str, str | None], ...] = (
    ("encryption", None), ("encrypt.format", None), ("cluster_size", "65536"),
    ("extended_l2", "off"), ("preallocation", None), ("compression_type", "zlib"),
    ("size", None), ("compat", None), ("backing_file", None), ("backing_fmt", None),
    ("data_file", None), ("data_file_raw", None), ("lazy_refcounts", "off"),
    ("refcount_bits", "16"), ("nocow", None), ("extent_size_hint", None),
)  # fmt: skip
_RAW_OPTIONS: tuple[tuple[str, str | None], ...] = (
    ("size", None), ("preallocation", None), ("nocow", None), ("extent_size_hint", None),
)  # fmt: skip
# Options of which these values are served, and no others.
_SERVED: Served = {
    "encryption": ("off",), "extended_l2": ("off",), "data_file_raw": ("off",),
    "preallocation": ("off",), "compression_type": ("zlib",), "lazy_refcounts": ("off",),
    "nocow": ("off",), "compat": ("1.1", "v3"), "refcount_bits": ("16",),
    "encrypt.format": (), "data_file": (), "extent_size_hint": (),
}  # fmt: skip
_SIZES = ("size", "cluster_size", "refcount_bits", "extent_size_hint")
_SWITCHES = ("encryption", "extended_l2", "lazy_refcounts", "data_file_raw", "nocow")


def create_image(  # noqa: PLR0913, PLR0917 - the options of create
    filename: str, fmt: str, given: Options, size: int | None, backing: str | None = None,
    backing_fmt: str | None = None, *, quiet: bool = False, no_backing: bool = False,
) -> None:  # fmt: skip
    """Create `filename`; `size` in bytes or None to take the backing file's."""
    known = known_options(fmt, filename)
    options = check_options(given, known)
    if "size" in options:
        if size is not None:
            raise BlockError("The image size must be specified only once")
        size = int(options["size"])
    for name, value, what in (
        ("backing_file", backing, "Backing file"),
        ("backing_fmt", backing_fmt, "Backing file format"),
    ):  # fmt: skip
        if value is not None:
            if name not in dict(known):
                raise BlockError(f"{what} not supported for file format '{fmt}'")
            options[name] = value
    size = _backing_size(filename, options, size, no_backing)
    options["size"] = str(size)
    if not quiet:
        shown = [f"{name}={options.get(name, default)}" for name, default in known
                 if options.get(name, default) is not None]  # fmt: skip
        sys.stdout.write(f"Formatting '{filename}', fmt={fmt} {' '.join(shown)}\n")
        sys.stdout.flush()
    try:
        format_image(filename, fmt, options)
    except BlockError as failure:
        if fmt != "raw" or failure.code != errno.EFBIG:
            raise
        raise BlockError("The image size is too large for file format 'raw'") from None


def format_image(filename: str, fmt: str, options: Options) -> None:
    """Write the image itself, `options` being checked and with a size."""
    filename = filename.removeprefix("file:")
    size = -(-int(options["size"]) // 512) * 512
    if fmt == "raw":
        from goldlock.embedded.block.files import create_file

        create_file(filename, size)
    else:
        from goldlock.embedded.image.create_qcow2 import create_qcow2

        create_qcow2(filename, size, options)


def known_options(fmt: str, filename: str) -> tuple[tuple[str, str | None], ...]:
    if fmt == "file":
        raise not_served("Format 'file' of a new image")
    if fmt == "null-co":
        raise BlockError(f"Format driver '{fmt}' does not support image creation")
    if fmt not in ("raw", "qcow2"):
        if fmt in registry.NOT_SERVED:
            raise not_served(f"Format '{fmt}'")
        raise BlockError(f"Unknown file format '{fmt}'")
    scheme = filename.split("/", 1)[0]
    if ":" in scheme and not scheme.startswith("file:"):
        protocol = scheme.split(":", 1)[0]
        if protocol in registry.NOT_SERVED:
            raise registry.unknown_driver(protocol)
        raise BlockError(f"Unknown protocol '{protocol}'")
    return _RAW_OPTIONS if fmt == "raw" else _QCOW2_OPTIONS


def check_options(given: Options, known: tuple[tuple[str, str | None], ...]) -> Options:
    """Return the options with sizes in bytes; BlockError for an unknown one or a bad value."""
    names = dict(known)
    checked = {}
    for name, value in given.items():
        if name not in names:
            raise BlockError(f"Invalid parameter '{name}'")
        if name in _SIZES:
            checked[name] = str(opts.size_option(name, value))
        elif name in _SWITCHES:
            checked[name] = "on" if opts.switch(name, value) else "off"
        else:
            checked[name] = value
    opts.refuse_all_but(dict(checked), _SERVED)
    return checked


def _backing_size(filename: str, options: Options, size: int | None, no_backing: bool) -> int:
    backing, fmt = options.get("backing_file"), options.get("backing_fmt")
    if backing is not None:
        if backing == filename:
            raise BlockError(
                "Error: Trying to create an image with the same filename as the backing file"
            )
        if not backing:
            raise BlockError("Expected backing file name, got empty string")
        if not no_backing:
            there = _look_at_backing(registry.resolve(filename, backing), fmt)
            size = there if size is None else size
        elif fmt is None:
            raise BlockError("Backing file specified without backing format")
    if size is None:
        raise BlockError("Image creation needs a size parameter")
    return size


def _look_at_backing(path: str, fmt: str | None) -> int:
    """Open the backing chain without taking anything from it; return its size in bytes."""
    options = {"driver": fmt} if fmt else {}
    try:
        node = open_node(path, options, Flags(force_share=True, no_io=True))
    except BlockError as failure:
        raise BlockError(
            failure.message, failure.hint + "Could not open backing image.\n"
        ) from None
    driver, size = node.driver, node.size
    graph.dispose(node)
    if fmt is None:
        raise BlockError(
            "Backing file specified without backing format", f"Detected format of {driver}."
        )
    return size
