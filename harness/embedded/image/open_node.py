# SPDX-License-Identifier: GPL-2.0-or-later
"""From a file name or options to a chain of open nodes, with locks on every file."""

from __future__ import annotations

import errno

from goldlock.embedded.block import graph
from goldlock.embedded.block.files import FileNode, NullNode, RawNode
from goldlock.embedded.block.graph import Node
from goldlock.embedded.block.registry import (
    FILE_OPTIONS,
    GENERIC_OPTIONS,
    NULL_OPTIONS,
    QCOW2_OPTIONS,
    RAW_OPTIONS,
    drives,
    forget,
    nodes,
    parse_filename,
    register,
    reject_unknown,
    resolve,
    unknown_driver,
)
from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.probe import probe

MAX_CHAIN = 200
_MOST_LENGTH = (1 << 63) - (1 << 30)


class Flags:
    """How to open: what a command means to do with the image."""

    __slots__ = ("auto_read_only", "checking", "force_share", "no_backing", "no_io", "read_only")

    def __init__(  # noqa: PLR0913 - switches, each named
        self, *, read_only: bool = True, auto_read_only: bool = False, force_share: bool = False,
        no_io: bool = False, no_backing: bool = False, checking: bool = False,
    ) -> None:  # fmt: skip
        self.read_only = read_only
        self.auto_read_only = auto_read_only
        self.force_share = force_share
        self.no_io = no_io
        self.no_backing = no_backing
        self.checking = checking

    def for_backing(self) -> Flags:
        """Return how the backing file is opened: read-only, whatever its overlay is."""
        return Flags(read_only=True, force_share=self.force_share, no_io=self.no_io)


def open_node(filename: str | None, options: Options, flags: Flags, depth: int = 0) -> Node:
    """Open a node and all below it; `options` is consumed. BlockError says what went wrong.

    With neither driver nor file name QEMU's message says so; without driver the
    format is probed.
    """
    if depth > MAX_CHAIN:
        raise BlockError("Backing chain is too long or has a loop")
    if filename is not None:
        filename = parse_filename(filename, options)
    driver = options.pop("driver", None)
    if (
        driver is None
        and filename is None
        and not any(key == "file" or key.startswith("file.") for key in options)
    ):
        raise BlockError("Must specify either driver or file")
    flags = _apply_generic(options, flags)
    if driver in ("file", "null-co"):
        node: Node = _open_protocol(driver, filename, options, flags)
    elif driver is None or driver in ("raw", "qcow2"):
        node = _open_format(driver, filename, options, flags, depth)
    else:
        raise unknown_driver(driver)
    return node


def _apply_generic(options: Options, flags: Flags) -> Flags:
    """Read the options that every node has; what remains is the driver's."""
    force_share = opts.take_switch(options, "force-share", flags.force_share)
    read_only = opts.take_switch(options, "read-only", flags.read_only)
    auto = opts.take_switch(options, "auto-read-only", flags.auto_read_only)
    opts.refuse_all_but(options, GENERIC_OPTIONS)
    return Flags(
        read_only=read_only, auto_read_only=auto and not read_only, force_share=force_share,
        no_io=flags.no_io, no_backing=flags.no_backing, checking=flags.checking,
    )  # fmt: skip


def _check_force_share(flags: Flags) -> None:
    if flags.force_share and not flags.read_only:
        raise BlockError("force-share=on can only be used with read-only images")


def _open_protocol(driver: str, filename: str | None, options: Options, flags: Flags) -> Node:
    _check_force_share(flags)
    name = options.pop("node-name", None)
    node: Node
    if driver == "null-co":
        if filename is not None:
            raise BlockError("The only allowed filename for this driver is 'null-co://'")
        opts.refuse_all_but(options, NULL_OPTIONS)
        size = _null_size(options.pop("size", str(1 << 30)))
        reject_unknown(options, driver, "protocol")
        if size > _MOST_LENGTH:
            raise report.os_error("Could not refresh total sector count", errno.EFBIG)
        node = NullNode("null-co://", size)
    else:
        opts.refuse_all_but(options, FILE_OPTIONS)
        filename = options.pop("filename", filename)
        locking = options.pop("locking", "auto")
        if locking not in ("on", "off", "auto"):
            raise BlockError(f"invalid parameter value: {locking}")
        reject_unknown(options, driver, "protocol")
        if not filename:
            raise BlockError("The 'file' block driver requires a file name")
        node = FileNode(
            filename, read_only=flags.read_only, auto_read_only=flags.auto_read_only,
            locking=locking,
        )  # fmt: skip
    _set_flags(node, flags)
    try:
        register(node, name)
    except BlockError:
        node.close()
        raise
    return node


def _null_size(text: str) -> int:
    size = opts.size(text)
    if size is None:
        raise not_served(f"A null-co with a size of '{text}'")  # at which QEMU aborts
    return size


def _set_flags(node: Node, flags: Flags) -> None:
    node.read_only = flags.read_only
    node.auto_read_only = flags.auto_read_only
    node.force_share = flags.force_share
    node.no_io = flags.no_io


def _open_child(filename: str | None, options: Options, flags: Flags) -> Node:
    """Open the storage below a format: a named node, or a protocol of its own."""
    reference = options.pop("file", None)
    below = opts.subset(options, "file")
    if "filename" in options and "driver" not in below:
        filename = options.pop("filename")
    if reference is not None:
        if below:
            raise BlockError(
                "Cannot reference an existing block device with additional options "
                "or a new filename"
            )
        node = _named(reference)
        graph.refresh(node)  # what could not be unlocked before is tried once more
        return node
    if filename is None and not below:
        raise BlockError('A block device must be specified for "file"')
    if filename is not None:
        filename = parse_filename(filename, below)
        if "file.driver" in below:  # null-co://, which has no format of its own below us
            below["driver"] = below.pop("file.driver")
    if filename is None and "driver" not in below and "filename" not in below:
        raise BlockError("Must specify either driver or file")
    driver = below.pop("driver", "file")
    inner = _apply_generic(below, flags)
    if driver not in ("file", "null-co"):
        if driver in ("raw", "qcow2"):
            return _open_format(driver, filename, below, inner, 0)
        raise unknown_driver(driver)
    return _open_protocol(driver, filename, below, inner)


def _named(reference: str) -> Node:
    if reference in drives:
        raise not_served(f"Drive '{reference}' as a part of a node")
    if reference not in nodes:
        raise BlockError(f"Cannot find device='{reference}' nor node-name='{reference}'")
    return nodes[reference]


def _open_format(
    driver: str | None, filename: str | None, options: Options, flags: Flags, depth: int
) -> Node:
    child = _open_child(filename, options, flags)
    try:
        _check_force_share(flags)
        probed = driver is None
        if driver is None:
            driver = probe(child)
        node = _new_format(driver, child.filename)
        _set_flags(node, flags)
        register(node, options.pop("node-name", None))
    except BlockError:
        graph.dispose(child)
        raise
    try:
        graph.attach_file(node, child)
    except BlockError:
        node.file = None
        graph.dispose(child)
        forget(node)
        raise
    try:
        if probed and isinstance(node, RawNode):
            node.probed = child.driver == "file"
            if not flags.read_only:
                _warn_probed_raw(node)
        _finish_format(node, options, flags, depth)
    except BlockError:
        graph.dispose(node)
        raise
    return node


def _new_format(driver: str, filename: str) -> Node:
    if driver == "raw":
        return RawNode(filename)
    from goldlock.embedded.qcow2.node import Qcow2Node

    return Qcow2Node(filename)


def _finish_format(node: Node, options: Options, flags: Flags, depth: int) -> None:
    if node.driver == "raw":
        opts.refuse_all_but(options, RAW_OPTIONS)
    else:
        from goldlock.embedded.qcow2.node import Qcow2Node

        opts.refuse_all_but(options, QCOW2_OPTIONS)
        assert isinstance(node, Qcow2Node)
        node.open(flags.checking)
        graph.refresh(node)  # as QEMU does, now that it knows where the data lies
    reference = options.get("backing")
    if reference == "":
        del options["backing"]
    elif not flags.no_backing:
        options.pop("backing", None)
        _open_backing(node, reference, opts.subset(options, "backing"), flags, depth)
    reject_unknown(options, node.driver, "format")


def _open_backing(
    node: Node, reference: str | None, options: Options, flags: Flags, depth: int
) -> None:
    path, driver = backing_of(node)
    implied = reference is None and not options
    if implied and not path:
        return
    if node.driver == "raw":
        raise BlockError("Driver doesn't support backing files")
    try:
        if reference is not None:
            backing = _named_backing(reference, options)
        else:
            if driver:
                options.setdefault("driver", driver)
            filename = None if "file.filename" in options else path or None
            backing = open_node(filename, options, flags.for_backing(), depth + 1)
    except BlockError as failure:
        raise failure.prefixed("Could not open backing file: ") from None
    if reference is not None and graph.is_below(node, backing):
        raise BlockError(
            f"Making '{backing.name}' a backing child of '{node.name}' would create a cycle"
        )
    try:
        graph.attach_backing(node, backing)
        if implied:
            node.implied_backing = backing.filename
    except BlockError:
        graph.dispose(backing)
        raise


def _named_backing(reference: str, options: Options) -> Node:
    if options:
        raise not_served(f"Option 'backing.{min(options)}' beside 'backing'")
    return _named(reference)


def backing_of(node: Node) -> tuple[str, str]:
    """Return file name (made absolute or relative to us) and format of a node's backing file."""
    from goldlock.embedded.qcow2.node import Qcow2Node

    if not isinstance(node, Qcow2Node) or not node.header.backing_file:
        return "", ""
    return resolve(node.filename, node.header.backing_file), node.header.backing_format


def _warn_probed_raw(node: Node) -> None:
    report.write_error(
        f"WARNING: Image format was not specified for '{node.filename}' and probing guessed raw.\n"
        "         Automatically detecting the format is dangerous for raw images, write "
        "operations on block 0 will be restricted.\n"
        "         Specify the 'raw' format explicitly to remove the restrictions.\n"
    )
