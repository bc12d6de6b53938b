# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of qemu-io."""

from __future__ import annotations

import os
import sys

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Edge
from goldlock.embedded.block.locks import RESIZE, WRITE
from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.io.requests import (
    CommandError,
    Quiet,
    alloc,
    command_options,
    discard,
    human,
    number,
    permit,
    read,
    show_map,
    usage,
    write,
)
from goldlock.embedded.io.session import Session
from goldlock.embedded.io.table import COMMANDS, NOT_SERVED
from goldlock.embedded.qcow2.node import Qcow2Node

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable


_WITHOUT_FILE = ("open", "quit")


def loop(session: Session, commands: list[str]) -> int:
    """Run all commands (from stdin, with a prompt, if there are none); return the exit status."""
    status = 0
    if commands:
        for line in commands:
            done, failed = run(session, line)
            status |= failed
            if done:
                break
        return status
    while True:
        sys.stdout.write(f"{report.program()}> ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return status
        done, failed = run(session, line.rstrip("\n"))
        status |= failed
        if done:
            return status


def run(session: Session, line: str) -> tuple[bool, int]:
    """Run one command line; return whether to quit, and 1 if it failed."""
    words = [word for word in line.split(" ") if word]
    if not words:
        return False, 0
    try:
        return _dispatch(session, words), 0
    except Quiet:
        pass
    except CommandError as failure:
        if failure.stderr:
            report.write_error(f"{failure}\n")
        else:
            sys.stdout.write(f"{failure}\n")
    except BlockError as failure:
        if failure.code and words[0] in ("read", "r", "write", "w", "discard", "d"):
            name = {"r": "read", "w": "write", "d": "discard"}.get(words[0], words[0])
            sys.stdout.write(f"{name} failed: {os.strerror(failure.code)}\n")
        else:
            report.error(failure.message, failure.hint)
    except OSError as failure:
        sys.stdout.write(f"{words[0]} failed: {failure.strerror}\n")
    return False, 1


def _find(session: Session, words: list[str]) -> str:
    """Return the full name of the command in `words`; CommandError if it cannot be run."""
    name = words[0]
    for full, entry in COMMANDS.items():
        if entry[0] == name:
            name = full
    if words[0] in NOT_SERVED:
        raise not_served(f'Command "{words[0]}"')
    if name not in COMMANDS:
        raise CommandError(f'command "{words[0]}" not found', stderr=True)
    if session.image is None and name not in _WITHOUT_FILE:
        raise CommandError("no file open, try 'help open'", stderr=True)
    count = len(words) - 1
    fewest, most = COMMANDS[name][1:3]
    if count < fewest or (most >= 0 and count > most):
        raise CommandError(_bad_count(words[0], count, fewest, most), stderr=True)
    return name


def _dispatch(session: Session, words: list[str]) -> bool:
    name = _find(session, words)
    if name == "quit":
        return True
    if name == "open":
        _open(session, words[1:])
        return False
    if session.image is None or session.image.edge is None:
        return False
    if name == "close":
        session.close()
        return False
    _FILE_COMMANDS[name](session.image.edge, name, words[1:])
    return False


def _bad_count(name: str, count: int, fewest: int, most: int) -> str:
    start = f"bad argument count {count} to {name}, expected "
    if most == -1:
        return f"{start}at least {fewest} arguments"
    if fewest == most:
        return f"{start}{fewest} arguments"
    return f"{start}between {fewest} and {most} arguments"


def _truncate(edge: Edge, name: str, words: list[str]) -> None:
    permit(edge, WRITE | RESIZE)
    given = command_options(name, words, "m:")
    mode = given.last("-m")
    if mode in ("metadata", "falloc", "full"):
        raise not_served(f"truncate -m {mode}")
    if mode not in (None, "off"):
        raise BlockError(f"Invalid preallocation mode '{mode}'")
    size = number(given.operands[0])
    from goldlock.embedded.image.resize import truncate

    truncate(edge.node, size)


def _length(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    sys.stdout.write(human(edge.node.size) + "\n")


def _info(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    from goldlock.embedded.image.describe import describe

    node = edge.node
    sys.stdout.write(f"format name: {node.driver}\n")
    if not isinstance(node, Qcow2Node):
        sys.stdout.write("cluster size: 0 bytes\nvm state offset: 0 bytes\n")
        return
    per_table = node.cluster_size // 8
    state = node.header.l1_size and -(-node.header.size // (node.cluster_size * per_table))
    sys.stdout.write(
        f"cluster size: {human(node.cluster_size)}\n"
        f"vm state offset: {human(state * node.cluster_size * per_table)}\n"
        "Format specific information:\n"
    )
    specific = describe(node)["format-specific"]
    assert isinstance(specific, dict)
    for key, value in specific["data"].items():
        shown = str(value).lower() if isinstance(value, bool) else value
        sys.stdout.write(f"    {key.replace('-', ' ')}: {shown}\n")


def _reopen(edge: Edge, name: str, words: list[str]) -> None:
    given = command_options(name, words, "rwc:o:")
    if sum(option in ("-r", "-w") for option, _ in given.options) > 1:
        raise BlockError("Only one -r/-w option may be given")
    for option in ("-c", "-o"):
        if given.has(option):
            raise not_served(f"reopen {option}")
    if given.operands:
        raise usage(name)
    writable = not edge.node.read_only
    if given.has("-r"):
        graph.change(edge, edge.perm & ~(WRITE | RESIZE), edge.shared)
        graph.set_read_only(edge.node, True)
    elif given.has("-w"):
        graph.set_read_only(edge.node, False)
        graph.change(edge, edge.perm | WRITE, edge.shared)
    node = edge.node
    if (
        writable
        and not node.read_only
        and isinstance(node, Qcow2Node)
        and not node.storage.refcount
    ):
        node.storage.renew()


def _nothing(edge: Edge, name: str, words: list[str]) -> None:
    """Do nothing: no data is held back."""


def _open(session: Session, words: list[str]) -> None:
    given = command_options("open", words, "snCro:ki:t:d:U")
    for option, _ in given.options:
        if option not in ("-r", "-o", "-U"):
            raise not_served(f"Option '{option}' of open")
    if len(given.operands) > 1:
        raise usage("open")
    options: opts.Options = {}
    for text in given.all("-o"):
        options.update(opts.parse(text, "file"))
    name = given.operands[0] if given.operands else None
    if not session.open(name, options, given.has("-r"), given.has("-U")):
        raise Quiet


_FILE_COMMANDS: dict[str, Callable[[Edge, str, list[str]], None]] = {
    "alloc": alloc,
    "discard": discard,
    "flush": _nothing,
    "info": _info,
    "length": _length,
    "map": show_map,
    "read": read,
    "reopen": _reopen,
    "truncate": _truncate,
    "write": write,
}
