# SPDX-License-Identifier: GPL-2.0-or-later
"""Names: what the name of a file or a driver says, and which node has which name."""

from __future__ import annotations

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError, not_served

# Options that QEMU's drivers have and ours have not, each with the values that are served all
# the same, because they say what is so anyhow.
Served = dict[str, tuple[str, ...]]
GENERIC_OPTIONS: Served = {
    "discard": (), "detect-zeroes": ("off",), "cache.direct": ("off",),
    "cache.no-flush": ("off",), "cache.writeback": ("on",),
}  # fmt: skip
FILE_OPTIONS: Served = {
    "aio": ("threads",), "aio-max-batch": ("0",), "drop-cache": ("on",),
    "x-check-cache-dropped": ("off",), "pr-manager": (),
}  # fmt: skip
NULL_OPTIONS: Served = {"latency-ns": (), "read-zeroes": ()}
RAW_OPTIONS: Served = {"offset": (), "size": ()}
QCOW2_OPTIONS: Served = dict.fromkeys((
    "lazy-refcounts", "pass-discard-request", "pass-discard-snapshot", "pass-discard-other",
    "overlap-check", "overlap-check.template", "overlap-check.main-header",
    "overlap-check.active-l1", "overlap-check.active-l2", "overlap-check.refcount-table",
    "overlap-check.refcount-block", "overlap-check.snapshot-table", "overlap-check.inactive-l1",
    "overlap-check.inactive-l2", "overlap-check.bitmap-directory", "cache-size",
    "l2-cache-size", "l2-cache-entry-size", "refcount-cache-size", "cache-clean-interval",
    "encrypt.format", "encrypt.key-secret", "data-file", "data-file.driver",
    "data-file.filename",
), ())  # fmt: skip
# Drivers of QEMU that we do not serve are named as such, others are unknown.
NOT_SERVED = {
    "blkdebug", "blklogwrites", "blkverify", "bochs", "cloop", "compress", "copy-on-read", "curl",
    "dmg", "ftp", "ftps", "gluster", "host_cdrom", "host_device", "http", "https", "iscsi", "luks",
    "nbd", "nfs", "null-aio", "nvme", "parallels", "preallocate", "qcow", "qed", "quorum", "rbd",
    "replication", "snapshot-access", "ssh", "throttle", "vdi", "vhdx", "vmdk", "vpc", "vvfat",
    "fat", "iser", "nbd+tcp", "nbd+unix",
}  # fmt: skip
SERVED = ("file", "null-co", "raw", "qcow2")
_LONGEST_NAME = 31
nodes: dict[str, Node] = {}
drives: set[str] = set()
"""The ids of drives: no node may have the name of one."""


def unknown_driver(driver: str) -> BlockError:
    """Return the refusal of a driver: not served, if QEMU has it, else unknown."""
    if driver in NOT_SERVED:
        return not_served(f"Driver '{driver}'")
    return BlockError(f"Unknown driver '{driver}'")


def parse_filename(filename: str, options: Options) -> str | None:
    """Return the path that a name means, or None if it means options, which are then set."""
    if filename.startswith("json:"):
        for key, value in opts.parse_json_filename(filename[5:]).items():
            options.setdefault(key, value)
        return None
    if filename.startswith("file:"):
        return filename[5:]
    scheme = filename.split("/", 1)[0]
    if ":" not in scheme:
        return filename
    protocol = scheme.split(":", 1)[0]
    if protocol == "null-co":
        if options.get("driver") != "null-co":
            options.setdefault("file.driver", "null-co")
        return None
    if protocol in NOT_SERVED:
        raise unknown_driver(protocol)
    raise BlockError(f"Unknown protocol '{protocol}'")


def reject_unknown(options: Options, driver: str, kind: str) -> None:
    """Refuse what a `format` or `protocol` driver has left over of its options."""
    for name in sorted(options):
        if kind == "protocol":
            raise BlockError(f"Block protocol '{driver}' doesn't support the option '{name}'")
        raise BlockError(f"Block format '{driver}' does not support the option '{name}'")


def resolve(overlay: str, name: str) -> str:
    """Return the path of backing file `name` as seen from the directory of its overlay."""
    if name.startswith("/") or ":" in name.split("/", 1)[0]:
        return name
    directory, slash, _ = overlay.rpartition("/")
    return directory + slash + name


def is_identifier(name: str) -> bool:
    """Tell whether a drive or a node can have this name: letters, digits, `-._`, a letter first."""
    return (
        name.isascii() and name[:1].isalpha() and all(one.isalnum() or one in "-._" for one in name)
    )


def register(node: Node, name: str | None) -> None:
    """Give `node` the name it was asked to have, or one of our own."""
    if name is None:
        node.name = node.name or graph.next_node_name()
    else:
        if not name or not is_identifier(name):
            raise BlockError(f"Invalid node-name: '{name}'")
        if name in drives:
            raise BlockError(f"node-name={name} is conflicting with a device id")
        if name in nodes:
            raise BlockError(f"Duplicate nodes with node-name='{name}'")
        if len(name) > _LONGEST_NAME:
            raise BlockError("Node name too long")
        node.name = name
    nodes[node.name] = node


def forget(node: Node) -> None:
    """Give a node's name back."""
    nodes.pop(node.name, None)


graph.on_closed = forget
