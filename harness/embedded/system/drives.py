# SPDX-License-Identifier: GPL-2.0-or-later
"""The block side of the system emulator: drives, devices on them, named nodes, exports."""

from __future__ import annotations

from goldlock.embedded.block import graph, registry
from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.block.locks import ALL, CONSISTENT_READ, RESIZE, WRITE, WRITE_UNCHANGED
from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.backend import Image
from goldlock.embedded.image.open_node import Flags, open_node

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable

    from goldlock.embedded.nbd.server import Server

_BUSES = ("none", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio", "xen")
_THROTTLING = [
    f"{prefix}{what}{rest}{most}"
    for prefix in ("", "throttling.")
    for what in ("bps", "iops")
    for rest in ("", "_rd", "_wr", "-total", "-read", "-write")
    for most in ("", "_max", "-max", "-max-length")
] + ["iops_size", "throttling.iops-size"]
# What -drive has beside the options of the block layer, and the values that are served.
_FIXED: registry.Served = {
    "cache": ("writeback",), "snapshot": ("off",), "aio": ("threads",), "copy-on-read": ("off",),
    "werror": (), "rerror": (), "index": (), "bus": (), "unit": (), "detect-zeroes": ("off",),
    "discard": (), "group": (), "throttling.group": (), **dict.fromkeys(_THROTTLING, ()),
}  # fmt: skip
_CACHE = ("none", "off", "directsync", "writeback", "writethrough", "unsafe")
_READ_WRITE, _CD = "virtio-blk virtio-blk-pci", "ide-cd"
_FURTHER = {"driver", "drive", "id", "share-rw"}


class Drive:
    """A drive (-drive, drive_add): an image or none, and perhaps a device that uses it."""

    def __init__(self, name: str, image: Image | None, read_only: bool) -> None:
        self.name = name
        self.image = image
        self.read_only = read_only
        self.attached = ""
        self.removable = True


class Migration:
    """What a machine knows of its migrations; `users` are the edges without permissions now."""

    def __init__(self) -> None:
        self.events_enabled = False
        self.users: dict[Edge, tuple[int, int]] = {}


class Machine:
    """All that the monitors can look at and change."""

    def __init__(self) -> None:
        self.drives: dict[str, Drive] = {}
        self.devices = 0
        self.device_ids: set[str] = set()
        self.named: dict[str, Options] = {}  # what blockdev-add has made, and from what
        self.exports: dict[str, tuple[Edge, bool, str]] = {}
        self.nbd: Server | None = None
        self.running = True
        self.has_bus = True  # that a device can be put on
        self.state = "prelaunch"  # when it is not running
        self.events: list[tuple[str, dict[str, object]]] = []  # what clients are to be told
        self.job: Callable[[], None] | None = None  # what remains to be done after an answer
        self.quit_reason = ""
        self.migration = Migration()
        self._unnamed = 0

    def shut_down(self, reason: str) -> None:
        """Let the program end, and the clients know why; exports end before it."""
        self.quit_reason = reason
        self.events.append(("SHUTDOWN", {"guest": False, "reason": reason}))
        for name in list(self.exports):
            self.delete_export(name)

    def cont(self) -> None:
        """Run."""
        if not self.running:
            self.events.append(("RESUME", {}))
        self.running, self.state = True, "paused"

    # --- drives

    def add_drive(self, text: str) -> Drive:
        """Add a drive from the text of -drive; BlockError says why it cannot be."""
        options = opts.parse(text)
        _alias(options)
        name = options.pop("id", "")
        if name and not registry.is_identifier(name):
            raise BlockError(
                "Parameter 'id' expects an identifier",
                "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n",
            )
        bus = options.pop("if", "")
        if bus and bus not in _BUSES:
            raise BlockError(f"unsupported bus type '{bus}'")
        if bus != "none":
            raise not_served("-drive without if=none")
        if not name:
            name = f"none{self._unnamed}"
            self._unnamed += 1
        if name in self.drives:
            raise BlockError(f"Duplicate ID '{name}' for drive")
        media = options.pop("media", "disk")
        if media not in ("disk", "cdrom"):
            raise BlockError(f"'{media}' invalid media")
        if name in registry.nodes:
            raise not_served(f"Drive '{name}' with the name of a node")
        read_only = opts.take_switch(options, "read-only", False) or media == "cdrom"
        image = self._open_drive(options, read_only, name)
        if name in registry.nodes:
            assert image is not None
            image.close()
            raise BlockError(f"Device name '{name}' conflicts with an existing node name")
        drive = Drive(name, image, read_only)
        self.drives[name] = drive
        registry.drives.add(name)
        return drive

    def _open_drive(self, options: Options, read_only: bool, name: str) -> Image | None:
        if options.get("cache", "writeback") not in _CACHE:
            raise BlockError("invalid cache option")
        opts.refuse_all_but(options, _FIXED)
        fmt = options.pop("format", None)
        if fmt is not None:
            if "driver" in options:
                raise BlockError("Cannot specify both 'driver' and 'format'")
            options["driver"] = fmt
        filename = options.pop("file", None)
        if not filename and not options:
            return None
        flags = Flags(read_only=read_only, auto_read_only=True)
        if "force-share" in options or "read-only" in options:
            options.setdefault("read-only", "on" if read_only else "off")
        node = open_node(filename or None, options, flags)
        return Image(node, CONSISTENT_READ, ALL, f"block device '{name}'")

    def drive(self, name: str) -> Drive:
        """Return a drive by its id."""
        if name not in self.drives:
            raise BlockError(f"Device '{name}' not found")
        return self.drives[name]

    def delete_drive(self, name: str) -> None:
        """Close a drive's image and forget the drive (drive_del)."""
        if name in registry.nodes:
            self.delete_node(name)
            return
        drive = self.drive(name)
        for export in [one for one, (_, _, device) in self.exports.items() if device == name]:
            self.delete_export(export)
        del self.drives[name]
        registry.drives.discard(name)
        if drive.attached:  # the device stays, and has no medium
            drive.name = ""
            self.drives[f"/{drive.attached}"] = drive
        if drive.image is not None:
            drive.image.close()
            drive.image = None

    # --- devices

    def add_device(self, text: str) -> None:
        """Put a device on a drive: it uses the disk and lets nobody else write it."""
        options = opts.parse(text, "driver")
        kind = options.get("driver", "")
        where = options.get("id", "")
        self._check_device(kind, where, options)
        if "drive" not in options:
            raise BlockError("drive property not set")
        share_rw = opts.switch("share-rw", options.get("share-rw", "off"))
        drive = self._drive_for(kind, options["drive"])
        if drive.image is None or drive.image.edge is None:
            raise BlockError("Device needs media, but drive is empty")
        shared = CONSISTENT_READ | WRITE_UNCHANGED | (WRITE if share_rw else 0)
        perm = CONSISTENT_READ
        if kind != _CD:
            shared |= RESIZE
            perm |= 0 if drive.read_only else WRITE
        graph.change(drive.image.edge, perm, shared)
        drive.removable = kind == _CD
        drive.attached = (
            f"/machine/peripheral/{where}" if where
            else f"/machine/peripheral-anon/device[{self.devices}]"
        )  # fmt: skip
        if kind != _CD:
            drive.attached += "/virtio-backend"
        self.device_ids.add(where)
        self.devices += 1

    def _check_device(self, kind: str, where: str, options: Options) -> None:
        if kind not in (*_READ_WRITE.split(), _CD) or not self.has_bus:
            raise not_served(f"Device '{kind}'{'' if self.has_bus else ' of -machine none'}")
        if further := options.keys() - _FURTHER:
            raise not_served(f"Property '{min(further)}' of a device")
        if where and (not registry.is_identifier(where) or where in self.device_ids):
            raise not_served(f"The id '{where}' of a device, wrong or given twice")

    def _drive_for(self, kind: str, name: str) -> Drive:
        if name in registry.nodes and name not in self.drives:
            image = Image(registry.nodes[name], 0, ALL)
            drive = Drive("", image, registry.nodes[name].read_only)
            self.drives[f"/{name}/{self.devices}"] = drive
        elif name in self.drives:
            drive = self.drives[name]
        else:
            raise BlockError(
                f"Property '{kind.removesuffix('-pci')}-device.drive' can't find value '{name}'"
            )
        if drive.attached:
            raise BlockError(f"Drive '{name}' is already in use by another device")
        if kind == _CD and drive.image is None:
            raise not_served("An empty ide-cd")
        return drive

    # --- named nodes

    def add_node(self, options: Options) -> None:
        """Add a node by name (blockdev-add): it is held until blockdev-del."""
        name = options.get("node-name")
        if name is None:
            raise BlockError("'node-name' must be specified for the root node")
        given = dict(options)
        node = open_node(None, options, Flags(read_only=False))
        node.refcount += 1
        self.named[name] = given

    def delete_node(self, name: str) -> None:
        """Let go of a node that blockdev-add made."""
        node = registry.nodes.get(name)
        if node is None:
            raise BlockError(f"Failed to find node with node-name='{name}'")
        if any(edge.parent is None for edge in node.parents):
            raise BlockError(f"Node {name} is in use")
        for edge in node.parents:
            if edge.name == "backing" and edge.parent is not None:
                raise BlockError(
                    f"Node '{name}' is busy: node is used as backing hd of '{edge.parent.name}'"
                )
        if name not in self.named:
            raise BlockError(f"Node {name} is not owned by the monitor")
        if node.parents:
            raise BlockError(f"Block device {name} is in use")
        del self.named[name]
        node.refcount -= 1
        graph.dispose(node)

    def find(self, device: str | None, node_name: str | None) -> Node:
        """Return the node of a drive, or one by its own name."""
        if device is not None and device in self.drives:
            image = self.drives[device].image
            if image is None:
                raise BlockError(f"Device '{device}' has no medium")
            return image.node
        if node_name is not None and node_name in registry.nodes:
            return registry.nodes[node_name]
        raise BlockError(f"Cannot find device='{device or ''}' nor node-name='{node_name or ''}'")

    def snapshot(self, node: Node, options: Options) -> None:
        """Put a new overlay above `node` (blockdev-snapshot-sync) and move its users there."""
        from goldlock.embedded.image.create import create_image

        filename = options["snapshot-file"]
        fmt = options.get("format", "qcow2")
        name = options.get("snapshot-node-name")
        if "node-name" in options and name is None:
            raise BlockError("New overlay node-name missing")
        drive = self.drives.get(name or "")
        if name in registry.nodes or (drive is not None and drive.image is not None):
            raise BlockError("New overlay node-name already in use")
        if options.get("mode", "absolute-paths") != "existing":
            create_image(filename, fmt, {}, node.size, node.filename, node.driver, no_backing=True)
        below = {"driver": fmt, "backing": ""}
        if name is not None:
            below["node-name"] = name
        flags = Flags(read_only=node.read_only, auto_read_only=node.auto_read_only)
        overlay = open_node(filename, below, flags)
        try:
            if overlay.driver != "qcow2":
                raise BlockError("The overlay does not support backing images")
            graph.put_above(overlay, node)
            if report.errno_policy() == "none":
                graph.refresh(overlay)  # QEMU 5.2 settles the permissions once more
        except BlockError:
            graph.dispose(overlay)
            raise
        for drive in self.drives.values():
            if drive.image is not None and drive.image.edge in overlay.parents:
                drive.image.node = overlay
        graph.dispose(overlay)

    # --- exports

    def add_export(self, node: Node, name: str, writable: bool, device: str) -> None:
        """Export a node over NBD until *device* goes; the export must not see the disk resized."""
        if name in self.exports:
            raise BlockError(f"Block export id '{name}' is already in use")
        perm = CONSISTENT_READ | (WRITE if writable else 0)
        edge = graph.use(node, "root", "an unnamed block device", perm, ALL)
        try:
            graph.change(edge, perm, ALL & ~RESIZE)
        except BlockError:
            graph.release(edge)
            raise
        self.exports[name] = (edge, writable, device)

    def delete_export(self, name: str) -> None:
        """Take an export away."""
        edge, _, _ = self.exports.pop(name)
        graph.release(edge)
        self.events.append(("BLOCK_EXPORT_DELETED", {"id": name}))

    def close(self) -> None:
        """Close all, as QEMU does when it ends; what fails is only a warning."""
        if self.nbd is not None:
            self.nbd.close()
            self.nbd = None
        try:
            for name in list(self.exports):
                self.delete_export(name)
            for drive in list(self.drives.values()):
                if drive.image is not None:
                    drive.image.close()
            self.drives.clear()
            for name in list(self.named):
                del self.named[name]
                node = registry.nodes[name]
                node.refcount -= 1
                graph.dispose(node)
        except BlockError as failure:
            report.warn(failure.message)


def _alias(options: Options) -> None:
    if "readonly" in options:
        if "read-only" in options:
            raise BlockError("'read-only' and its alias 'readonly' can't be used at the same time")
        options["read-only"] = options.pop("readonly")
