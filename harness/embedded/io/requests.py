# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of qemu-io that read and change an image's contents."""

from __future__ import annotations

import errno
import os
import sys
import time

from goldlock.embedded.block import graph
from goldlock.embedded.block.graph import Edge, Node
from goldlock.embedded.block.locks import WRITE
from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import not_served
from goldlock.embedded.io.table import COMMANDS
from goldlock.embedded.qcow2.map import UNALLOCATED
from goldlock.embedded.qcow2.node import Qcow2Node

_MAX_LENGTH = 2147483136
_CHUNK = 1 << 20
_NOT_SERVED = {
    "read": ("-a", "-b", "-C", "-l", "-p", "-s", "-v"),
    "write": ("-b", "-c", "-C", "-f", "-n", "-p", "-s"),
    "discard": ("-C",),
}


class CommandError(Exception):
    """A command that failed; the text goes to stdout, as qemu-io has it, or to stderr."""

    def __init__(self, text: str, stderr: bool = False) -> None:
        super().__init__(text)
        self.stderr = stderr


class Quiet(CommandError):
    """A failure about which all has been said."""

    def __init__(self) -> None:
        super().__init__("")


def usage(name: str) -> CommandError:
    arguments, what = COMMANDS[name][3:]
    return CommandError(f"{name} {arguments} -- {what}")


def command_options(name: str, words: list[str], short: str) -> getopt.Arguments:
    try:
        return getopt.parse(words, short)
    except getopt.UsageError as failure:
        word = str(failure).rpartition("'")[0].rpartition("'")[2]
        kind = "option requires an argument" if "missing" in str(failure) else "invalid option"
        report.write_error(f"{name}: {kind} -- '{word.lstrip('-')[:1]}'\n")
        raise usage(name) from None


def number(text: str) -> int:
    value = opts.size(text)
    if value is None or value >= 1 << 63:
        if value is not None or text.isdecimal():
            raise CommandError(f"Parsing error: argument too large -- {text}")
        raise CommandError(
            f"Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- {text}"
        )
    return value


def _pattern(text: str | None) -> int | None:
    if text is None:
        return None
    value = opts.integer(text)
    if value is None or not 0 <= value <= 255:
        raise CommandError(f"{text} is not a valid pattern byte")
    return value


def human(value: float) -> str:
    """Return a number of bytes as qemu-io writes it, with three decimals if it has any."""
    for shift, unit in (
        (60, "EiB"),
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ):
        if value >= 1 << shift:
            text, unit_text = f"{value / (1 << shift):.3f}", " " + unit
            break
    else:
        text, unit_text = f"{value:f}", " bytes"
    if ".000" in text:
        text = text[: text.index(".000")]
    return text + unit_text


def _report(verb: str, offset: int, length: int, started: float) -> None:
    spent = max(time.monotonic() - started, 1e-9)
    shown = f"{spent:05.2f} sec" if spent < 1 else f"0:00:{spent:05.2f}"
    sys.stdout.write(
        f"{verb} {length}/{length} bytes at offset {offset}\n"
        f"{human(length)}, 1 ops; {shown} ({human(length / spent)}/sec and "
        f"{1 / spent:.4f} ops/sec)\n"
    )


def _within(node: Node, offset: int, length: int, what: str) -> None:
    if offset + length > node.size:
        raise CommandError(f"{what} failed: {os.strerror(errno.EIO)}")


def _lengths(name: str, words: list[str]) -> tuple[int, int]:
    """Return the offset, and the sum of the lengths behind it."""
    offset = number(words[0])
    total = 0
    for word in words[1:]:
        length = number(word)
        if length > _MAX_LENGTH:
            extra = " without -n" if name == "write" else ""
            raise CommandError(f"length cannot exceed {_MAX_LENGTH}{extra}, given {word}")
        total += length
    return offset, total


def read(edge: Edge, name: str, words: list[str]) -> None:
    given = command_options(name, words, "abCl:pP:qs:v")
    pattern = _pattern(given.last("-P"))
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    _within(edge.node, offset, length, name)
    started = time.monotonic()
    wrong = False
    for at in range(0, length, _CHUNK):
        data = edge.node.read(offset + at, min(_CHUNK, length - at))
        if pattern is not None:
            wrong |= data.count(pattern) != len(data)
    if wrong:
        sys.stdout.write(f"Pattern verification failed at offset {offset}, {length} bytes\n")
    if not given.has("-q"):
        _report("read", offset, length, started)
    if wrong:
        raise Quiet


def _check_operands(name: str, given: getopt.Arguments) -> None:
    for option, _ in given.options:
        if option in _NOT_SERVED[name]:
            raise not_served(f"{name} {option}")
    if len(given.operands) != 2:
        raise usage(name)


def permit(edge: Edge, wanted: int) -> None:
    """Take the permissions that a command needs beyond those that the image was opened with."""
    if edge.perm & wanted != wanted:
        graph.change(edge, edge.perm | wanted, edge.shared)


def write(edge: Edge, name: str, words: list[str]) -> None:
    permit(edge, WRITE)
    given = command_options(name, words, "bcCfnpP:qs:uz")
    if given.has("-u") and not given.has("-z"):
        raise CommandError("-u requires -z to be specified")
    if given.has("-n") and not given.has("-z"):
        raise CommandError("-n requires -z to be specified")
    if given.has("-b") and given.has("-z"):
        raise CommandError("-b and -z cannot be specified at the same time")
    if sum(given.has(one) for one in ("-z", "-P", "-s")) > 1:
        raise CommandError("Only one of -z, -P, and -s can be specified at the same time")
    pattern = _pattern(given.last("-P"))
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    _within(edge.node, offset, length, name)
    started = time.monotonic()
    if given.has("-z"):
        _write_zeroes(edge.node, offset, length, given.has("-u"))
    else:
        data = bytes((0xCD if pattern is None else pattern,)) * min(_CHUNK, length)
        for at in range(0, length, _CHUNK):
            edge.node.write(offset + at, data[: length - at])
    if not given.has("-q"):
        _report("wrote", offset, length, started)


def _write_zeroes(node: Node, offset: int, length: int, unmap: bool) -> None:
    if not isinstance(node, Qcow2Node):
        raise not_served(f"write -z of {node.driver}")
    node.write_zeroes(offset, length, unmap)


def discard(edge: Edge, name: str, words: list[str]) -> None:
    permit(edge, WRITE)
    given = command_options(name, words, "Cq")
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    _within(edge.node, offset, length, name)
    started = time.monotonic()
    if not isinstance(edge.node, Qcow2Node):
        raise not_served(f"discard of {edge.node.driver}")
    edge.node.discard(offset, length)
    if not given.has("-q"):
        _report("discard", offset, length, started)


def allocated(node: Node, offset: int, length: int) -> tuple[bool, int]:
    if not isinstance(node, Qcow2Node):
        return True, length
    piece = node.extent(offset, length)
    taken = piece.kind != UNALLOCATED
    total = piece.length
    while total < length:
        piece = node.extent(offset + total, length - total)
        if (piece.kind != UNALLOCATED) != taken:
            break
        total += piece.length
    return taken, total


def alloc(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    offset = number(words[0])
    count = number(words[1]) if len(words) > 1 else 512
    node = edge.node
    end = min(offset + count, node.size)
    count = max(end - offset, 0)
    total, at = 0, offset
    while at < end:
        taken, run_length = allocated(node, at, end - at)
        total += run_length if taken else 0
        at += run_length
    sys.stdout.write(f"{total}/{count} bytes allocated at offset {human(offset)}\n")


def show_map(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    node = edge.node
    at = 0
    while at < node.size:
        taken, length = allocated(node, at, node.size - at)
        state = "    allocated" if taken else "not allocated"
        sys.stdout.write(
            f"{human(length)} ({length:#x}) bytes {state} at offset {human(at)} ({at:#x})\n"
        )
        at += length
