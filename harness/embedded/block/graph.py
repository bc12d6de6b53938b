# SPDX-License-Identifier: GPL-2.0-or-later
"""The block graph: nodes, their users, and the permissions that follow from them.

A node's users (a drive, a device, a job, a node above it) each state what they
use and what they let others do. What a node uses is the union over its users,
what it shares the intersection. From that a node works out what it needs of its
own children, down to the file whose locks say the same to other processes.
"""

from __future__ import annotations

from goldlock.embedded.block.locks import (
    ALL,
    CONSISTENT_READ,
    RESIZE,
    WRITE,
    WRITE_UNCHANGED,
    names,
)
from goldlock.embedded.common.report import BlockError

TYPE_CHECKING = False  # mypy takes the name for typing's; importing typing costs start-up time
if TYPE_CHECKING:
    from collections.abc import Callable


class Edge:
    """One use of a node: by a node above it, or by a user outside the graph."""

    __slots__ = ("name", "node", "parent", "perm", "shared", "user")

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of an edge
        self, node: Node, name: str, user: str, parent: Node | None, perm: int, shared: int
    ) -> None:
        self.node = node
        self.name = name
        self.user = user
        self.parent = parent
        self.perm = perm
        self.shared = shared


_node_count = 0


def next_node_name() -> str:
    """Return a name for a node that was given none (`#block123`, as QEMU writes them)."""
    global _node_count  # noqa: PLW0603 - names are unique within the process
    _node_count += 1
    return f"#block{100 + _node_count}"


class Node:
    """One block driver instance. Sizes and offsets are bytes; read and write are whole."""

    driver = ""
    is_format = False

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.name = ""
        self.parents: list[Edge] = []
        self.file: Edge | None = None
        self.backing: Edge | None = None
        self.implied_backing = ""  # the name of the backing file that the image alone led to
        self.read_only = False
        self.auto_read_only = False
        self.force_share = False
        self.no_io = False
        self.inactive = False  # given up to another process, by a migration
        self.reopening = False  # from read-write to read-only, at this moment
        self.refcount = 0  # references by name: blockdev-add keeps a node without users

    @property
    def size(self) -> int:
        raise NotImplementedError

    def read(self, offset: int, length: int) -> bytes:
        raise NotImplementedError

    def write(self, offset: int, data: bytes) -> None:
        raise NotImplementedError

    def check_writable(self) -> None:
        """Raise BlockError for an image that cannot be written by these programs."""

    def close(self) -> None:
        """Let go of what the driver holds; the graph has let go of the children."""

    def children(self) -> list[Edge]:
        """Return the edges to the nodes below, the file first."""
        return [edge for edge in (self.file, self.backing) if edge is not None]

    def cumulative(self) -> tuple[int, int]:
        """Return what all users together use, and what all of them share."""
        perm, shared = 0, ALL
        for edge in self.parents:
            perm |= edge.perm
            shared &= edge.shared
        return perm, shared

    # A leaf with locks overrides these three.
    def prepare(self, perm: int, shared: int) -> None:
        """Make ready for new permissions or raise BlockError with nothing changed."""

    def commit(self, perm: int, shared: int) -> None:
        """Make the prepared permissions the current ones."""

    def abort(self) -> None:
        """Forget the prepared permissions."""

    def child_permissions(self, edge: Edge, perm: int, shared: int) -> tuple[int, int]:
        """Return what this node needs of the child at `edge`, given what it is needed for."""
        if edge is self.backing:
            needed, allowed = self._backing_permissions(perm, shared)
        elif self.is_format:
            needed, allowed = self._storage_permissions(perm, shared)
        else:
            needed, allowed = perm, shared
        if self.inactive and self.is_format:
            allowed |= WRITE | RESIZE
        return needed, ALL if edge.node.force_share else allowed

    def _backing_permissions(self, perm: int, shared: int) -> tuple[int, int]:
        # Who lets the overlay be written lets its backing file be, too: the guest
        # sees a change either way.
        writers = WRITE | RESIZE if shared & WRITE else 0
        if self.is_format and not self.no_backing_lock():
            return perm & CONSISTENT_READ, writers | CONSISTENT_READ | WRITE_UNCHANGED
        return perm & CONSISTENT_READ, ALL

    def no_backing_lock(self) -> bool:
        """Tell whether the backing file is left to others altogether (never, for qcow2)."""
        return False

    def _storage_permissions(self, perm: int, shared: int) -> tuple[int, int]:
        """Metadata of our own: nobody else may write it, and we may at any time."""
        if not (self.read_only or self.inactive):
            perm |= WRITE | RESIZE
        if not self.no_io:
            perm |= CONSISTENT_READ
        if perm & WRITE_UNCHANGED:
            perm |= WRITE
        if perm & WRITE:
            perm |= RESIZE
        return perm, shared & ~(WRITE | RESIZE)


def _conflict(giver: Edge, taker: Edge) -> BlockError:
    node = taker.node.name
    missing = names(taker.perm & ~giver.shared)
    return BlockError(
        f"Permission conflict on node '{node}': permissions '{missing}' are both required by "
        f"{taker.user} (uses node '{node}' as '{taker.name}' child) and unshared by "
        f"{giver.user} (uses node '{node}' as '{giver.name}' child)."
    )


def _read_only(node: Node) -> BlockError:
    if node.reopening:
        return BlockError(f"Read-only block node '{node.name}' cannot support read-write users")
    return BlockError("Block node is read-only")


def _check_users(node: Node) -> None:
    for giver in node.parents:
        for taker in node.parents:
            if giver is not taker and taker.perm & ~giver.shared:
                raise _conflict(giver, taker)


def _below(node: Node, seen: list[Node]) -> list[Node]:
    """Return `node` and all nodes below it, every node before its children."""
    for edge in reversed(node.children()):
        if edge.node not in seen:
            _below(edge.node, seen)
    seen.append(node)
    return seen


def is_below(node: Node, top: Node) -> bool:
    """Tell whether `node` is `top`, or lies somewhere below it."""
    return node in _below(top, [])


def refresh(node: Node) -> None:
    """Work out the permissions of `node` and all below it, and take the locks they mean.

    All or nothing: when one node refuses (BlockError), every other returns to
    what it had.
    """
    done: list[tuple[Node, int, int]] = []
    edges: list[tuple[Edge, int, int]] = []
    try:
        for current in reversed(_below(node, [])):
            perm, shared = current.cumulative()
            _check_users(current)
            if perm & (WRITE | WRITE_UNCHANGED) and (current.read_only or current.inactive):
                raise _read_only(current)
            current.prepare(perm, shared)
            done.append((current, perm, shared))
            for edge in current.children():
                edges.append((edge, edge.perm, edge.shared))
                edge.perm, edge.shared = current.child_permissions(edge, perm, shared)
    except BlockError:
        for edge, perm, shared in edges:
            edge.perm, edge.shared = perm, shared
        for prepared, _, _ in reversed(done):
            prepared.abort()
        raise
    for prepared, perm, shared in reversed(done):
        prepared.commit(perm, shared)


def use(node: Node, name: str, user: str, perm: int, shared: int) -> Edge:
    """Add a user from outside the graph to `node`; BlockError if that cannot be."""
    return _attach(Edge(node, name, user, None, perm, shared))


def _attach(edge: Edge) -> Edge:
    edge.node.parents.insert(0, edge)
    try:
        refresh(edge.node)
    except BlockError:
        edge.node.parents.remove(edge)
        raise
    return edge


def change(edge: Edge, perm: int, shared: int) -> None:
    """Change what the user at `edge` uses and shares; BlockError and no change if it cannot be."""
    before = edge.perm, edge.shared
    edge.perm, edge.shared = perm, shared
    try:
        refresh(edge.node)
    except BlockError:
        edge.perm, edge.shared = before
        raise


def attach_file(parent: Node, child: Node) -> None:
    """Make `child` the storage of `parent`, with the permissions of a parent without users yet."""
    parent.file = Edge(child, "file", f"node '{parent.name}'", parent, 0, ALL)
    _attach_child(parent, parent.file)


def attach_backing(parent: Node, child: Node) -> None:
    """Make `child` the backing file of `parent`."""
    parent.backing = Edge(child, "backing", f"node '{parent.name}'", parent, 0, ALL)
    try:
        _attach_child(parent, parent.backing)
    except BlockError:
        parent.backing = None
        raise


def _attach_child(parent: Node, edge: Edge) -> None:
    perm, shared = parent.cumulative()
    edge.perm, edge.shared = parent.child_permissions(edge, perm, shared)
    try:
        _attach(edge)
    except BlockError:
        refresh(edge.node)  # QEMU takes the child away again: what failed to unlock is tried again
        raise


def release(edge: Edge) -> None:
    """Take a user away from its node, and the node itself when it was the last."""
    node = edge.node
    node.parents.remove(edge)
    refresh(node)
    dispose(node)


def dispose(node: Node) -> None:
    """Close `node` if nothing uses or holds it: first its backing file, then its storage."""
    if node.parents or node.refcount:
        return
    for edge in (node.backing, node.file):
        if edge is not None:
            release(edge)
    node.file = node.backing = None
    node.close()
    if on_closed is not None:
        on_closed(node)


# Set by the system emulator, which lists nodes by name.
on_closed: Callable[[Node], None] | None = None


def _reopened(node: Node) -> list[Node]:
    """Return what a reopen of `node` reopens: itself, and storage that has no name of its own."""
    if node.file is not None and not node.file.node.refcount:
        return [node, node.file.node]
    return [node]


def put_above(overlay: Node, node: Node) -> None:
    """Make `node` the read-only backing file of `overlay`, and give its outside users to that.

    One change of permissions, as QEMU has it: all or nothing (BlockError).
    """
    nodes = _reopened(node)
    flags = [one.read_only for one in nodes]
    parents, users = list(node.parents), list(overlay.parents)
    moved = [edge for edge in parents if edge.parent is None]
    overlay.backing = Edge(node, "backing", f"node '{overlay.name}'", overlay, 0, ALL)
    node.parents[:] = [overlay.backing, *(edge for edge in parents if edge not in moved)]
    overlay.parents.extend(moved)
    for one in nodes:
        one.read_only = True
    for edge in moved:
        edge.node = overlay
    try:
        refresh(overlay)
    except BlockError:
        for one, value in zip(nodes, flags, strict=True):
            one.read_only = value
        for edge in moved:
            edge.node = node
        node.parents[:], overlay.parents[:] = parents, users
        overlay.backing = None
        raise


def set_read_only(node: Node, read_only: bool) -> None:
    """Reopen `node` and its storage read-only or read-write, all or nothing."""
    nodes = _reopened(node)
    before = [(one, one.read_only) for one in nodes]
    if not read_only:
        node.check_writable()
    for one in nodes:
        one.reopening = read_only and not one.read_only
        one.read_only = read_only
    try:
        refresh(node)
    except BlockError:
        for one, value in before:
            one.read_only = value
        raise
    finally:
        for one in nodes:
            one.reopening = False
