"""The human monitor: the commands that people type, and what they answer."""

from __future__ import annotations

from harness.embedded import report
from harness.embedded.drives import Drive, Machine
from harness.embedded.graph import Node
from harness.embedded.report import BlockError

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HELP = {
    "drive_add": ("[-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type][,bus=n]\n"
                  "[,unit=m][,media=d][,index=i]\n[,snapshot=on|off][,cache=on|off]\n"
                  "[,readonly=on|off][,copy-on-read=on|off]",
                  "add drive to PCI storage controller"),
    "drive_del": ("device", "remove host block device"),
    "help|?": ("[cmd]", "show the help"),
    "info": ("[subcommand]", "show various information about the system state"),
    "quit|q": ("", "quit the emulator"),
}  # fmt: skip
_INFO = ("block", "block-exports", "status", "version", "name")
_MOST_LINE = 4096


def run(machine: Machine, line: str) -> str:
    """Run one command line and return its output, lines ended as the monitor ends them."""
    words = line[:_MOST_LINE].split(None, 1)
    if not words:
        return ""
    name, rest = words[0], words[1].strip() if len(words) > 1 else ""
    command = _COMMANDS.get(name)
    reports: list[str] = []
    report.begin_monitor(reports)
    try:
        text = f"unknown command: '{name}'\n" if command is None else command(machine, rest)
    except BlockError as failure:
        text = failure.message + "\n" + (f"{failure.hint}\n" if failure.hint else "")
        if name not in ("drive_add", "drive_del"):
            text = "Error: " + text
    except OSError as failure:
        text = f"Error: {failure.strerror}\n"
    finally:
        report.end_monitor()
    return ("".join(reports) + text).replace("\n", "\r\n")


def _wrong(name: str) -> str:
    return f'{name}: string expected\nTry "help {name}" for more information\n'


def _drive_add(machine: Machine, rest: str) -> str:
    words = rest.split(None, 1)
    node = bool(words) and words[0] == "-n"
    if node:
        words = words[1].split(None, 1) if len(words) > 1 else []
    if len(words) < 2:
        return _wrong("drive_add")
    if node:
        raise BlockError("drive_add -n is not served by the embedded programs")
    machine.add_drive(words[1])
    return "OK\n"


def _drive_del(machine: Machine, rest: str) -> str:
    if not rest:
        return _wrong("drive_del")
    machine.delete_drive(rest.split(maxsplit=1)[0])
    return ""


def _help(machine: Machine, rest: str) -> str:  # noqa: ARG001 - one signature
    lines = []
    for name, (arguments, what) in _HELP.items():
        if not rest or rest in name.split("|"):
            lines.append(f"{name} {arguments} -- {what}\n")
    if not rest:
        lines.append("Other commands of QEMU's monitor are not served by the embedded programs.\n")
    return "".join(lines) or f"unknown command: '{rest}'\n"


def _info(machine: Machine, rest: str) -> str:
    what = rest.split(maxsplit=1)[0] if rest else ""
    status = "running" if machine.running else f"paused ({machine.state})"
    answers = {
        "": "".join(f"info {one}\n" for one in _INFO),
        "block-exports": "".join(f"Export '{name}'\n" for name in machine.exports),
        "name": "",
        "status": f"VM status: {status}\n",
        "version": "7.2.22 (embedded programs of goldlock)\n",
    }
    if what == "block":
        return info_block(machine, rest.split()[1:])
    return answers.get(what, f"unknown command: 'info {what}'\n")


def info_block(machine: Machine, names: list[str]) -> str:
    """Return `info block`: the drives, or those that are named."""
    shown = [
        _drive_text(name, drive)
        for name, drive in machine.drives.items()
        if not names or name in names
    ]
    return "\n".join(shown)


def _drive_text(name: str, drive: Drive) -> str:
    attached = f"    Attached to:      {drive.attached}\n" if drive.attached else ""
    removable = "" if drive.attached else "    Removable device: not locked, tray closed\n"
    if drive.image is None:
        return f"{name}: [not inserted]\n{attached}{removable}"
    node = drive.image.node
    read_only = ", read-only" if node.read_only else ""
    lines = (
        f"{name} ({node.name}): {node.filename} ({node.driver}{read_only})\n{attached}{removable}"
        "    Cache mode:       writeback\n"
    )
    depth = chain_depth(node)
    if node.backing is not None:
        lines += f"    Backing file:     {node.backing.node.filename} (chain depth: {depth})\n"
    return lines


def chain_depth(node: Node) -> int:
    """Return how many backing files lie below a node."""
    depth = 0
    while node.backing is not None:
        node = node.backing.node
        depth += 1
    return depth


def _quit(machine: Machine, rest: str) -> str:  # noqa: ARG001 - one signature
    machine.quit_reason = "host-qmp-quit"
    return ""


_COMMANDS: dict[str, Callable[[Machine, str], str]] = {
    "?": _help,
    "drive_add": _drive_add,
    "drive_del": _drive_del,
    "help": _help,
    "info": _info,
    "q": _quit,
    "quit": _quit,
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
        for character in data.decode("utf-8", "replace"):
            if character in "\r\n":
                line, self._line = self._line, ""
                out.append("\r\n")
                out.append(run(self.machine, line))
                if self.machine.quit_reason:
                    break
                out.append("(qemu) ")
                yield "".join(out).encode("utf-8", "replace")
                out = []
            elif character >= " " and len(self._line) < _MOST_LINE:
                # Line editing moves back to the start and writes the line anew.
                out.append("\x1b[D" * len(self._line))
                self._line += character
                out.append(self._line + "\x1b[K")
        yield "".join(out).encode("utf-8", "replace")

    def event(self, name: str, data: dict[str, object]) -> bytes:  # noqa: ARG002 - as QmpSession
        """Return how an event is shown: not at all."""
        return b""
