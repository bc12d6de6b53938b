# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img create."""

from __future__ import annotations

import sys

from goldlock.embedded.block import graph, opening
from goldlock.embedded.block.opening import Flags
from goldlock.embedded.common import getopt, registry
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.img.common import Reported, number, reject_objects

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
_SIZES = ("size", "cluster_size", "refcount_bits", "extent_size_hint")
_SWITCHES = ("encryption", "extended_l2", "lazy_refcounts", "data_file_raw", "nocow")
_NO_SIZE = "expects a non-negative number below 2^64"
_SIZE_HINT = (
    "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
    "and exabytes, respectively."
)


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


def create_image(  # noqa: PLR0913, PLR0917 - the options of create
    filename: str, fmt: str, given: Options, size: int | None, backing: str | None = None,
    backing_fmt: str | None = None, *, quiet: bool = False, no_backing: bool = False,
) -> None:  # fmt: skip
    """Create `filename`; `size` in bytes or None to take the backing file's."""
    known = _known_options(fmt, filename)
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
    format_image(filename, fmt, options)


def format_image(filename: str, fmt: str, options: Options) -> None:
    """Write the image itself, `options` being checked and with a size."""
    filename = filename.removeprefix("file:")
    size = -(-int(options["size"]) // 512) * 512
    if options.get("preallocation", "off") != "off":
        raise BlockError(
            f"Preallocation mode '{options['preallocation']}' is not served by the "
            "embedded programs"
        )
    if fmt == "raw":
        from goldlock.embedded.block.files import create_file

        create_file(filename, size)
    else:
        from goldlock.embedded.qcow2.create import create_qcow2

        create_qcow2(filename, size, options)


def _known_options(fmt: str, filename: str) -> tuple[tuple[str, str | None], ...]:
    if fmt in ("null-co", "file"):
        raise BlockError(f"Format driver '{fmt}' does not support image creation")
    if fmt not in ("raw", "qcow2"):
        if fmt in registry.NOT_SERVED:
            raise BlockError(f"Format '{fmt}' is not served by the embedded programs")
        raise BlockError(f"Unknown file format '{fmt}'")
    scheme = filename.split("/", 1)[0]
    if ":" in scheme and not scheme.startswith("file:"):
        raise BlockError(f"Unknown protocol '{scheme.split(':', 1)[0]}'")
    return _RAW_OPTIONS if fmt == "raw" else _QCOW2_OPTIONS


def check_options(given: Options, known: tuple[tuple[str, str | None], ...]) -> Options:
    """Return the options with sizes in bytes; BlockError for an unknown one or a bad value."""
    names = dict(known)
    checked = {}
    for name, value in given.items():
        if name not in names:
            raise BlockError(f"Invalid parameter '{name}'")
        if name in _SIZES:
            size = opts.size(value)
            if size is None:
                raise BlockError(f"Parameter '{name}' {_NO_SIZE}", _SIZE_HINT)
            checked[name] = str(size)
        elif name in _SWITCHES:
            checked[name] = "on" if opts.switch(name, value) else "off"
        else:
            checked[name] = value
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
        node = opening.open_node(path, options, Flags(force_share=True, no_io=True))
    except BlockError as failure:
        hint = f"{failure.hint}\n" if failure.hint else ""
        raise BlockError(failure.message, hint + "Could not open backing image.") from None
    driver, size = node.driver, node.size
    graph.dispose(node)
    if fmt is None:
        raise BlockError(
            "Backing file specified without backing format", f"Detected format of {driver}."
        )
    return size
