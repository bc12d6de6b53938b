# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of the machine monitor, but for those of its negotiation."""

from __future__ import annotations

from goldlock.embedded.block import graph, registry
from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import not_served
from goldlock.embedded.system.drives import Drive, Machine
from goldlock.embedded.system.qmp_schema import QmpError, check_arguments, check_node

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable

    Arguments = dict[str, object]
    Command = Callable[[Machine, "Arguments"], object]

VERSION: dict[str, object] = {
    "qemu": {"micro": 22, "minor": 2, "major": 7},
    "package": "embedded programs of goldlock",
}


def _query_status(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    status = "running" if machine.running else machine.state
    return {"status": status, "singlestep": False, "running": machine.running}


def _query_version(machine: Machine, arguments: Arguments) -> object:  # noqa: ARG001
    check_arguments(arguments, {})
    return VERSION


def _query_commands(machine: Machine, arguments: Arguments) -> object:  # noqa: ARG001
    check_arguments(arguments, {})
    names = {*COMMANDS, "human-monitor-command", "qmp_capabilities"}
    return [{"name": name} for name in sorted(names)]


def _stop(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    if machine.running:
        machine.events.append(("STOP", {}))
        machine.running, machine.state = False, "paused"
    return {}


def _cont(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    if machine.state == "postmigrate":
        from goldlock.embedded.system.migration import activate  # hardly ever wanted

        activate(machine)
    machine.cont()
    return {}


def _migration(name: str) -> Command:
    def run(machine: Machine, arguments: Arguments) -> object:
        from goldlock.embedded.system import migration  # hardly ever wanted

        result: object = getattr(migration, name)(machine, arguments)
        return result

    return run


def _quit(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    machine.shut_down("host-qmp-quit")
    return {}


def _blockdev_add(machine: Machine, arguments: Arguments) -> object:
    check_node(arguments)
    machine.add_node(opts.flatten(arguments))
    return {}


def _blockdev_del(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {"node-name": str})
    machine.delete_node(str(arguments["node-name"]))
    return {}


def _blockdev_reopen(machine: Machine, arguments: Arguments) -> object:
    listed = arguments.get("options", [{}])
    if not isinstance(listed, list) or "options" not in arguments:
        check_arguments(arguments, {"options": list})
    assert isinstance(listed, list)
    if len(listed) != 1:
        raise not_served(f"blockdev-reopen of {len(listed)} nodes")
    one = listed[0]
    if not isinstance(one, dict):
        raise QmpError("Invalid parameter type for 'options[0]', expected: object")
    check_node(one, "options[0].")
    check_arguments(arguments, {"options": list})
    if "node-name" not in one:
        raise QmpError("node-name not specified")
    name = str(one["node-name"])
    node = registry.nodes.get(name)
    if node is None:
        raise QmpError(f"Failed to find node with node-name='{name}'")
    if name not in machine.named:
        raise not_served("blockdev-reopen of what blockdev-add has not made")
    _check_reopened(node, one, machine.named[name])
    graph.set_read_only(node, bool(one.get("read-only", False)))
    return {}


def _check_reopened(node: Node, wanted: Arguments, before: opts.Options) -> None:
    """Refuse a reopen that changes more than whether the node is read-only."""
    if node.backing is not None and "backing" not in wanted:
        raise QmpError(f"backing is missing for '{node.name}'")
    edges = {"file": node.file, "backing": node.backing}
    for name in edges.keys() & wanted.keys():
        if isinstance(wanted[name], str) and wanted[name] not in registry.nodes:
            raise QmpError(f"Cannot find device='' nor node-name='{wanted[name]}'")
    if wanted["driver"] != node.driver:
        raise QmpError("Cannot change the option 'driver'")
    for name in edges.keys() & wanted.keys():
        edge = edges[name]
        if wanted[name] != (edge.node.name if edge is not None else None):
            raise not_served(f"blockdev-reopen with another '{name}'")
    _check_fixed(wanted, before)


def _check_fixed(wanted: Arguments, before: opts.Options) -> None:
    """Refuse to change what a reopen cannot change; *before* is what the node was made from."""
    fixed = ("filename", "locking", "force-share", "size")
    given = opts.flatten({key: value for key, value in wanted.items() if key in fixed})
    for key in fixed:
        if key in given and given[key] != before.get(key):
            raise QmpError(f"Cannot change the option '{key}'")
        if key in before and key not in given:
            raise QmpError(f"Option '{key}' cannot be reset to its default value")
    if "auto-read-only" in wanted or "auto-read-only" in before:
        raise not_served("blockdev-reopen with 'auto-read-only'")


def _snapshot_sync(machine: Machine, arguments: Arguments) -> object:
    optional: dict[str, type | tuple[str, ...]] = {
        **dict.fromkeys(("device", "node-name", "format", "snapshot-node-name"), str),
        "mode": ("existing", "absolute-paths"),
    }
    check_arguments(arguments, {"snapshot-file": str}, optional)
    options = {name: str(value) for name, value in arguments.items()}
    node = machine.find(options.get("device"), options.get("node-name"))
    machine.snapshot(node, options)
    return {}


def _query_block(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    return [_drive_facts(drive) for drive in machine.drives.values()]


def _drive_facts(drive: Drive) -> dict[str, object]:
    facts: dict[str, object] = {"device": drive.name, "locked": False, "removable": drive.removable}
    if drive.attached and drive.image is not None:
        facts = {"io-status": "ok", **facts}
    if drive.image is not None:
        facts["inserted"] = _node_facts(drive.image.node, nested=True)
    if drive.attached:
        facts["qdev"] = drive.attached
    if drive.removable and drive.attached:
        facts["tray_open"] = False
    facts["type"] = "unknown"
    return facts


def _node_facts(node: Node, nested: bool) -> dict[str, object]:
    from goldlock.embedded.image.describe import name_of, storage_of
    from goldlock.embedded.system.hmp import chain_depth

    depth = chain_depth(node) if nested else 0
    facts: dict[str, object] = {
        "iops_rd": 0, "detect_zeroes": "off", "image": _image_facts(node, nested), "iops_wr": 0,
        "ro": node.read_only, "node-name": node.name, "backing_file_depth": depth,
        "drv": node.driver, "iops": 0, "bps_wr": 0, "write_threshold": 0,
    }  # fmt: skip
    if node.backing is not None:
        facts["backing_file"] = name_of(node.backing.node)
    return {
        **facts, "encrypted": False, "bps": 0, "bps_rd": 0,
        "cache": {"no-flush": False, "direct": False, "writeback": True},
        "file": storage_of(node).filename,
    }  # fmt: skip


def _image_facts(node: Node, nested: bool) -> dict[str, object]:
    from goldlock.embedded.image.describe import describe

    facts = describe(node)
    if nested and node.backing is not None:
        return {"backing-image": _image_facts(node.backing.node, nested), **facts}
    return facts


def _query_named(machine: Machine, arguments: Arguments) -> object:  # noqa: ARG001
    check_arguments(arguments, {}, {"flat": bool})
    nested = not arguments.get("flat", False)
    return [_node_facts(node, nested) for node in reversed(registry.nodes.values())]


def _nbd_start(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {"addr": dict}, None, ("tls-creds", "tls-authz", "max-connections"))
    if machine.nbd is not None:
        raise QmpError("NBD server already running")
    address = arguments["addr"]
    assert isinstance(address, dict)
    check_arguments(address, {"type": str}, {"data": dict}, within="addr.")
    kind = address["type"]
    if kind in ("inet", "vsock", "fd"):
        raise not_served(f"An NBD server on '{kind}'")
    if kind != "unix":
        raise QmpError(f"Parameter 'type' does not accept value '{kind}'")
    check_arguments(address, {"type": str, "data": dict}, within="addr.")
    data = address["data"]
    check_arguments(data, {"path": str}, None, ("abstract", "tight"), "addr.data.")
    from goldlock.embedded.nbd.server import Server

    machine.nbd = Server(data["path"])
    return {}


def _nbd_add(machine: Machine, arguments: Arguments) -> object:
    optional = {"name": str, "writable": bool}
    check_arguments(arguments, {"device": str}, optional, ("description", "bitmap"))
    device = str(arguments["device"])
    node = machine.find(device, device)
    if not registry.is_identifier(str(arguments.get("name", device))):
        raise QmpError("Invalid block export id")
    if machine.nbd is None:
        raise QmpError("NBD server not running")
    writable = bool(arguments.get("writable", False)) and not node.read_only
    machine.add_export(node, str(arguments.get("name", device)), writable, device)
    return {}


def _nbd_remove(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {"name": str}, None, ("mode",))
    name = str(arguments["name"])
    if name not in machine.exports:
        raise QmpError(f"Export '{name}' is not found")
    machine.delete_export(name)
    return {}


def _nbd_stop(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    if machine.nbd is None:
        raise QmpError("NBD server not running")
    for name in list(machine.exports):
        machine.delete_export(name)
    machine.nbd.close()
    machine.nbd = None
    return {}


def _query_exports(machine: Machine, arguments: Arguments) -> object:
    check_arguments(arguments, {})
    return [
        {"node-name": edge.node.name, "shutting-down": False, "type": "nbd", "id": name}
        for name, (edge, _, _) in reversed(machine.exports.items())
    ]


COMMANDS: dict[str, Command] = {
    "blockdev-add": _blockdev_add,
    "blockdev-del": _blockdev_del,
    "blockdev-reopen": _blockdev_reopen,
    "blockdev-snapshot-sync": _snapshot_sync,
    "cont": _cont,
    "migrate": _migration("migrate"),
    "migrate-set-capabilities": _migration("set_capabilities"),
    "nbd-server-add": _nbd_add,
    "nbd-server-remove": _nbd_remove,
    "nbd-server-start": _nbd_start,
    "nbd-server-stop": _nbd_stop,
    "query-block": _query_block,
    "query-block-exports": _query_exports,
    "query-commands": _query_commands,
    "query-migrate": _migration("query"),
    "query-named-block-nodes": _query_named,
    "query-status": _query_status,
    "query-version": _query_version,
    "quit": _quit,
    "stop": _stop,
}
