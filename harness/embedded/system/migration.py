# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration as its images see it: given up to another emulator, and taken back by `cont`.

There is no guest whose state could travel: what is handed over is the images, and the
command of an `exec:` URI is started with an empty stream.
"""

from __future__ import annotations

import os

from goldlock.embedded.block import graph, registry
from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.block.locks import ALL
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.qcow2.node import Qcow2Node
from goldlock.embedded.system.qmp_schema import QmpError, check_arguments

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from goldlock.embedded.system.drives import Machine

    Arguments = dict[str, object]

_SCHEMES = ("tcp:", "unix:", "fd:", "rdma:", "vsock:")


def set_capabilities(machine: Machine, arguments: Arguments) -> object:
    """Take the capability `events`; any other is refused by name."""
    check_arguments(arguments, {"capabilities": list})
    listed = arguments["capabilities"]
    assert isinstance(listed, list)
    for number, one in enumerate(listed):
        where = f"capabilities[{number}]"
        if not isinstance(one, dict):
            raise QmpError(f"Invalid parameter type for '{where}', expected: object")
        check_arguments(one, {"capability": str, "state": bool}, within=f"{where}.")
        if one["capability"] != "events":
            raise not_served(f"Capability '{one['capability']}'")
    for one in listed:
        machine.migration.events_enabled = one["state"]
    return {}


def query(machine: Machine, arguments: Arguments) -> object:
    """Tell whether there was a migration; figures of a guest there are none."""
    check_arguments(arguments, {})
    return {"status": "completed"} if machine.state == "postmigrate" else {}


def migrate(machine: Machine, arguments: Arguments) -> object:
    """Begin to give the images up; `exec:COMMAND` is the one way. The end comes after the answer.

    QEMU does the same when it has sent the guest, with the same events.
    """
    check_arguments(arguments, {"uri": str}, None, ("blk", "inc", "detach", "resume"))
    uri = str(arguments["uri"])
    if machine.state == "postmigrate":
        raise QmpError("Can't migrate the vm that was paused due to previous migration")
    if uri.startswith(_SCHEMES):
        raise not_served(f"Migration to '{uri}'")
    if not uri.startswith("exec:"):
        raise QmpError("Parameter 'uri' expects a valid migration protocol")
    if machine.exports:
        raise not_served("Migration beside exports")
    _tell(machine, "setup")
    machine.job = lambda: _hand_over(machine, uri[len("exec:") :])
    return {}


def _hand_over(machine: Machine, command: str) -> None:
    _tell(machine, "active")
    _run(command)
    if machine.running:
        machine.events.append(("STOP", {}))
    machine.running, machine.state = False, "postmigrate"
    for edge, node in _roots(machine):
        if edge is not None:
            machine.migration.users[edge] = edge.perm, edge.shared
            graph.change(edge, 0, ALL)
        _inactivate(node)
    _tell(machine, "completed")


def activate(machine: Machine) -> None:
    """Lock the images again to go on; BlockError at the first that cannot be.

    As with QEMU, those before it stay locked; the next try is for the rest.
    """
    users = machine.migration.users
    for edge, node in _roots(machine):
        _activate(node)
        if edge is not None and edge in users:
            graph.change(edge, *users[edge])
            del users[edge]
    users.clear()


def _tell(machine: Machine, status: str) -> None:
    if machine.migration.events_enabled:
        machine.events.append(("MIGRATION", {"status": status}))


def _run(command: str) -> None:
    """Run a command of the shell with empty input, as the other end of the migration."""
    actions = [
        (os.POSIX_SPAWN_OPEN, fd, "/dev/null", flag, 0)
        for fd, flag in ((0, os.O_RDONLY), (1, os.O_WRONLY))
    ]
    argv = ["/bin/sh", "-c", command]
    os.waitpid(os.posix_spawn(argv[0], argv, os.environ, file_actions=actions), 0)


def _roots(machine: Machine) -> list[tuple[Edge | None, Node]]:
    """Return what drives use, then nodes that have but a name."""
    roots: list[tuple[Edge | None, Node]] = [
        (drive.image.edge, drive.image.node)
        for drive in machine.drives.values()
        if drive.image is not None
    ]
    named = [registry.nodes[name] for name in machine.named]
    return roots + [(None, node) for node in named if not node.parents]


def _inactivate(node: Node) -> None:
    """Give up a node, and what is below it and has no active user; this cannot fail."""
    if node.inactive or any(e.parent is not None and not e.parent.inactive for e in node.parents):
        return
    node.inactive = True
    graph.refresh(node)
    for edge in node.children():
        _inactivate(edge.node)


def _activate(node: Node) -> None:
    for edge in node.children():
        _activate(edge.node)
    if not node.inactive:
        return
    node.inactive = False
    try:
        graph.refresh(node)
        if isinstance(node, Qcow2Node):
            node.reload()  # the other may have written it
    except BlockError:
        node.inactive = True
        raise
