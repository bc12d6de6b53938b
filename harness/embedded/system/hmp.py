# SPDX-License-Identifier: GPL-2.0-or-later
"""The human monitor: the commands that people type, and what they answer."""

from __future__ import annotations

import sys

from goldlock.embedded.block.graph import Node
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, could_be_qemus, not_served
from goldlock.embedded.system.drives import Drive, Machine

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_LINE = 4095  # bytes that can be typed
_MOST_ARGUMENT = 1023
_SPACE = " \t\n\v\f\r"


class _WrongArguments(Exception):
    """What follows a command's name is not what the command takes; the message says why."""


class _Line:
    """A command line that is read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def rest(self) -> str:
        """Pass over space and return what is left."""
        left = self.text[self.at :].lstrip(_SPACE)
        self.at = len(self.text) - len(left)
        return left

    def name(self) -> str:
        """Take a command's name; a slash ends it as space does."""
        left = self.rest()
        size = 0
        while size < len(left) and left[size] not in _SPACE + "/":
            size += 1
        self.at += size
        return left[:size]

    def string(self) -> str | None:
        """Take a word or a quoted string; None if there is none or the quotes are wrong."""
        left = self.rest()
        if not left.startswith('"'):
            size = 0
            while size < len(left) and left[size] not in _SPACE:
                size += 1
            self.at += size
            return left[:size][:_MOST_ARGUMENT] or None
        parts = []
        at = 1
        while at < len(left) and left[at] != '"':
            if left[at] == "\\":
                at += 1
                escaped = left[at : at + 1]
                if not escaped or escaped not in "nr\\'\"":
                    shown = escaped or "\0"  # the line's end, to QEMU
                    sys.stdout.write(f"unsupported escape code: '\\{shown}'\n")
                    self.at += at + 1
                    return None
                parts.append({"n": "\n", "r": "\r"}.get(escaped, escaped))
            else:
                parts.append(left[at])
            at += 1
        self.at += at + 1
        if at >= len(left):
            sys.stdout.write("unterminated string\n")
            return None
        return "".join(parts)[:_MOST_ARGUMENT]

    def flag(self, letter: str, later: str, name: str) -> str:
        """Take the option `-letter` if it stands here; those in `later` have their turn yet."""
        left = self.rest()
        if not left.startswith("-") or left[1:2] != letter:
            if left.startswith("-") and (len(left) < 2 or left[1] not in later):
                raise _WrongArguments(f"{name}: unsupported option -{left[1:2]}")
            return ""
        self.at += 2
        return letter

    def arguments(self, name: str, types: str) -> list[str]:
        """Take what `types` lists: `-x` an option, `s` a string, `B` a drive, `S` all that is left.

        A question mark follows what need not be there, and is empty then.
        """
        found = []
        listed = types.split()
        for number, kind in enumerate(listed):
            if kind[0] == "-":
                later = "".join(one[1] for one in listed[number + 1 :] if one[0] == "-")
                found.append(self.flag(kind[1], later, name))
            elif kind.endswith("?") and not self.rest():
                found.append("")
            elif kind[0] == "S":
                found.append(self.rest())
                self.at = len(self.text)
            else:
                word = self.string()
                if word is None:
                    what = "block device name" if kind == "B" else "string"
                    raise _WrongArguments(f"{name}: {what} expected")
                found.append(word)
        if self.rest():
            raise _WrongArguments(f"{name}: extraneous characters at the end of line")
        return found


def run(machine: Machine, text: str) -> str:
    """Run one command line and return its output, lines ended as the monitor ends them."""
    line = _Line(text)
    if not line.rest():
        return ""
    line.at = 0
    name = line.name()
    command = _COMMANDS.get(name)
    if name == "info" and line.rest():
        command = _INFO.get(line.name())
    named = line.text[: line.at].rstrip(_SPACE)
    if command is None:
        if not could_be_qemus("".join(named.split())):
            return f"unknown command: '{named}'\r\n"
        return not_served(f"Command '{named}'").message + "\r\n"
    shown, types, function = command
    reports: list[str] = []
    report.begin_monitor(reports)
    try:
        answer = function(machine, line.arguments(shown, types))
    except _WrongArguments as failure:
        told = str(failure)
        told += "" if told.endswith("-") else "\n"  # QEMU names no option with a NUL, which ends
        answer = f'{told}Try "help {named}" for more information\n'
    except BlockError as failure:
        answer = failure.message + "\n" + failure.hint
        if name not in ("drive_add", "drive_del"):
            answer = "Error: " + answer
    except OSError as failure:
        answer = f"Error: {failure.strerror}\n"
    finally:
        report.end_monitor()
    return ("".join(reports) + answer).replace("\n", "\r\n")


def _drive_add(machine: Machine, arguments: list[str]) -> str:
    node, _, options = arguments
    if node:
        raise not_served("drive_add -n")
    machine.add_drive(options)
    return "OK\n"


def _drive_del(machine: Machine, arguments: list[str]) -> str:
    machine.delete_drive(arguments[0])
    return ""


def _info_block(machine: Machine, arguments: list[str]) -> str:
    nodes, verbose, device = arguments
    if nodes or verbose:
        raise not_served(f"info block -{nodes or verbose}")
    return info_block(machine, [device] if device else [])


def _info_status(machine: Machine, arguments: list[str]) -> str:  # noqa: ARG001 - one signature
    if machine.running:
        return "VM status: running\n"
    return f"VM status: paused{'' if machine.state == 'paused' else f' ({machine.state})'}\n"


def info_block(machine: Machine, names: list[str]) -> str:
    """Return `info block`: the drives, or those that are named."""
    shown = [
        ("\n" if number else "") + _drive_text(drive)  # before all but the first there is
        for number, (name, drive) in enumerate(machine.drives.items())
        if not names or name in names
    ]
    return "".join(shown)


def _drive_text(drive: Drive) -> str:
    attached = f"    Attached to:      {drive.attached}\n" if drive.attached else ""
    removable = "    Removable device: not locked, tray closed\n" if drive.removable else ""
    if drive.image is None:
        return f"{drive.name or drive.attached}: [not inserted]\n{attached}{removable}"
    from goldlock.embedded.image.describe import name_of

    node = drive.image.node
    title = f"{drive.name} ({node.name})" if drive.name else node.name
    read_only = ", read-only" if node.read_only else ""
    lines = (
        f"{title}: {name_of(node)} ({node.driver}{read_only})\n{attached}{removable}"
        "    Cache mode:       writeback\n"
    )
    depth = chain_depth(node)
    if node.backing is not None:
        lines += f"    Backing file:     {name_of(node.backing.node)} (chain depth: {depth})\n"
    return lines


def chain_depth(node: Node) -> int:
    """Return how many backing files lie below a node."""
    depth = 0
    while node.backing is not None:
        node = node.backing.node
        depth += 1
    return depth


def _quit(machine: Machine, arguments: list[str]) -> str:  # noqa: ARG001 - one signature
    machine.shut_down("host-qmp-quit")
    return ""


# By what is typed: the name in messages, the arguments, and who answers.
_Table = dict[str, "tuple[str, str, Callable[[Machine, list[str]], str]]"]
_COMMANDS: _Table = {
    "drive_add": ("drive_add", "-n s s", _drive_add),
    "drive_del": ("drive_del", "B", _drive_del),
    "q": ("quit|q", "", _quit),
    "quit": ("quit|q", "", _quit),
}
_INFO: _Table = {
    "block": ("block", "-n -v s?", _info_block),
    "status": ("status", "", _info_status),
}


class HmpSession:
    """The human monitor on a byte stream, with the echo of QEMU's line editing."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._line = ""

    def greeting(self) -> bytes:
        """Return what a monitor says first."""
        return b"QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) "

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take typed bytes and yield what the monitor answers, line by line."""
        out: list[str] = []
        for character in data.decode("latin-1"):  # line editing knows bytes only
            if character in "\r\n":
                line, self._line = self._line, ""
                out.append("\r\n")
                yield "".join(out).encode("latin-1")  # what the command prints comes after it
                text = line.encode("latin-1").decode("utf-8", "surrogateescape")
                answer = run(self.machine, text)
                if not self.machine.quit_reason:
                    answer += "(qemu) "
                yield answer.encode("utf-8", "surrogateescape")
                if self.machine.quit_reason:
                    return
                out = []
            elif character in "\b\x7f":
                if self._line:
                    out.append("\x1b[D" * len(self._line))
                    self._line = self._line[:-1]
                    out.append(self._line + "\x1b[K")
            elif character >= " " and len(self._line) < _MOST_LINE:
                # Line editing moves back to the start and writes the line anew.
                out.append("\x1b[D" * len(self._line))
                self._line += character
                out.append(self._line + "\x1b[K")
        yield "".join(out).encode("latin-1")

    def event(self, name: str, data: dict[str, object]) -> bytes:  # noqa: ARG002 - as QmpSession
        """Return how an event is shown: not at all."""
        return b""
