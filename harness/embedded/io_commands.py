"""The commands of qemu-io."""

from __future__ import annotations

import errno
import os
import sys
import time

from . import getopt, graph, report
from . import options as opts
from .graph import Edge, Node
from .locks import RESIZE, WRITE
from .qcow2 import UNALLOCATED, Qcow2Node
from .report import BlockError

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Callable

    from .qemu_io import Session

_MAX_LENGTH = 2147483136
_CHUNK = 1 << 20
# name: (other name, fewest, most arguments, argument help, what it does)
_COMMANDS: dict[str, tuple[str, int, int, str, str]] = {
    "aio_flush": ("", 0, 0, "", "completes all outstanding aio requests"),
    "aio_read": ("", 2, -1, "[-Ciqv] [-P pattern] off len [len..]",
                 "asynchronously reads a number of bytes"),
    "aio_write": ("", 2, -1, "[-Cfiquz] [-P pattern] off len [len..]",
                  "asynchronously writes a number of bytes"),
    "alloc": ("a", 1, 2, "offset [count]", "checks if offset is allocated in the file"),
    "close": ("c", 0, 0, "", "close the current open file"),
    "discard": ("d", 2, -1, "[-Cq] off len", "discards a number of bytes at a specified offset"),
    "flush": ("f", 0, 0, "", "flush all in-core file state to disk"),
    "help": ("?", 0, 1, "[command]", "help for one or all commands"),
    "info": ("i", 0, 0, "", "prints information about the current file"),
    "length": ("l", 0, 0, "", "gets the length of the current file"),
    "map": ("", 0, 0, "", "prints the allocated areas of a file"),
    "open": ("o", 1, -1, "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
             "open the file specified by path"),
    "quit": ("q", 0, -1, "", "exit the program"),
    "read": ("r", 2, -1, "[-abCqv] [-P pattern [-s off] [-l len]] off len",
             "reads a number of bytes at a specified offset"),
    "readv": ("", 2, -1, "[-Cqv] [-P pattern] off len [len..]",
              "reads a number of bytes at a specified offset"),
    "reopen": ("", 0, -1, "[(-r|-w)] [-c cache] [-o options]",
               "reopens an image with new options"),
    "sleep": ("", 1, 1, "", "waits for the given value in milliseconds"),
    "truncate": ("t", 1, 3, "[-m prealloc_mode] off",
                 "truncates the current file at the given offset"),
    "write": ("w", 2, -1, "[-bcCfnquz] [-P pattern | -s source_file] off len",
              "writes a number of bytes at a specified offset"),
    "writev": ("", 2, -1, "[-Cfq] [-P pattern] off len [len..]",
               "writes a number of bytes at a specified offset"),
}  # fmt: skip
_NOT_SERVED = ("break", "remove_break", "resume", "wait_break", "abort", "sigraise")
_WITHOUT_FILE = ("open", "help", "quit", "sleep")


class CommandError(Exception):
    """A command that failed; the text goes to stdout, as qemu-io has it, or to stderr."""

    def __init__(self, text: str, stderr: bool = False) -> None:
        super().__init__(text)
        self.stderr = stderr


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
    except _Quiet:
        pass
    except CommandError as failure:
        if failure.stderr:
            report.write_error(f"{failure}\n")
        else:
            sys.stdout.write(f"{failure}\n")
    except BlockError as failure:
        report.error(failure.message, failure.hint)
    except OSError as failure:
        sys.stdout.write(f"{words[0]} failed: {failure.strerror}\n")
    return False, 1


def _usage(name: str) -> CommandError:
    arguments, what = _COMMANDS[name][3:]
    return CommandError(f"{name} {arguments} -- {what}")


def _dispatch(session: Session, words: list[str]) -> bool:
    name = words[0]
    for full, entry in _COMMANDS.items():
        if entry[0] == name:
            name = full
    if words[0] in _NOT_SERVED:
        raise CommandError(
            f'command "{words[0]}" is not served by the embedded programs', stderr=True
        )
    if name not in _COMMANDS:
        raise CommandError(f'command "{words[0]}" not found', stderr=True)
    if session.image is None and name not in _WITHOUT_FILE:
        raise CommandError("no file open, try 'help open'", stderr=True)
    count = len(words) - 1
    fewest, most = _COMMANDS[name][1:3]
    if count < fewest or (most >= 0 and count > most):
        raise CommandError(_bad_count(words[0], count, fewest, most), stderr=True)
    if name == "quit":
        return True
    if name in ("open", "help", "sleep"):
        {"open": _open, "help": _help, "sleep": _sleep}[name](session, words[1:])
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


def _options(name: str, words: list[str], short: str) -> getopt.Arguments:
    try:
        return getopt.parse(words, short)
    except getopt.UsageError as failure:
        word = str(failure).rpartition("'")[0].rpartition("'")[2]
        kind = "option requires an argument" if "missing" in str(failure) else "invalid option"
        report.write_error(f"{name}: {kind} -- '{word.lstrip('-')[:1]}'\n")
        raise _usage(name) from None


def _number(text: str) -> int:
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
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 255:
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


def _report(verb: str, offset: int, length: int, started: float, terse: bool) -> None:
    spent = max(time.monotonic() - started, 1e-9)
    if terse:
        sys.stdout.write(f"{length},1,0:00:{spent:05.2f},{length / spent:.3f},{1 / spent:.3f}\n")
        return
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
    offset = _number(words[0])
    total = 0
    for word in words[1:]:
        length = _number(word)
        if length > _MAX_LENGTH:
            if name in ("read", "write", "discard"):
                extra = " without -n" if name == "write" else ""
                raise CommandError(f"length cannot exceed {_MAX_LENGTH}{extra}, given {word}")
            raise CommandError(f"Argument '{word}' exceeds maximum size {_MAX_LENGTH}")
        total += length
    return offset, total


def _read(edge: Edge, name: str, words: list[str]) -> None:
    given = _options(name, words, {"read": "abCl:pP:qs:v", "readv": "CP:qv"}.get(name, "CP:iqv"))
    pattern = _pattern(given.last("-P"))
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    start = _number(given.last("-s") or "0")
    if start > length:
        raise CommandError("pattern verification range exceeds end of read data")
    span = _number(given.last("-l") or str(length - start)) if given.has("-l", "-s") else length
    if given.has("-l", "-s") and pattern is None:
        raise _usage(name)
    if start + span > length:
        raise CommandError("pattern verification range exceeds end of read data")
    if given.has("-b"):
        raise CommandError("read -b is not served by the embedded programs")
    _within(edge.node, offset, length, "readv" if name != "read" else name)
    started = time.monotonic()
    wrong = False
    at = 0
    while at < length:
        step = min(_CHUNK, length - at)
        data = edge.node.read(offset + at, step)
        if pattern is not None:
            first, last = max(start - at, 0), min(start + span - at, step)
            wrong |= first < last and data[first:last].count(pattern) != last - first
        if given.has("-v"):
            _dump(data, offset + at)
        at += step
    if wrong:
        sys.stdout.write(f"Pattern verification failed at offset {offset + start}, {span} bytes\n")
    if not given.has("-q"):
        _report("read", offset, length, started, given.has("-C"))
    if wrong:
        raise _Quiet


class _Quiet(CommandError):
    """A failure about which all has been said."""

    def __init__(self) -> None:
        super().__init__("")


def _dump(data: bytes, offset: int) -> None:
    for at in range(0, len(data), 16):
        line = data[at : at + 16]
        text = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else "."
                       for byte in line)  # fmt: skip
        sys.stdout.write(f"{offset + at:08x}:  {line.hex(' ')}  {text}\n")


def _check_operands(name: str, given: getopt.Arguments) -> None:
    count = len(given.operands)
    if name in ("read", "write", "discard"):
        if count != 2:
            raise _usage(name)
    elif count < 2:
        raise _usage(name)


def _permit(edge: Edge, wanted: int) -> None:
    """Take the permissions that a command needs beyond those that the image was opened with."""
    if edge.perm & wanted != wanted:
        graph.change(edge, edge.perm | wanted, edge.shared)


def _write(edge: Edge, name: str, words: list[str]) -> None:
    _permit(edge, WRITE)
    given = _options(
        name, words, {"write": "bcCfnpP:qs:uz", "writev": "CfqP:"}.get(name, "CfiP:quz")
    )
    if given.has("-u") and not given.has("-z"):
        raise CommandError("-u requires -z to be specified")
    if given.has("-n") and not given.has("-z"):
        raise CommandError("-n requires -z to be specified")
    if given.has("-b") and given.has("-z"):
        raise CommandError("-b and -z cannot be specified at the same time")
    if sum(given.has(one) for one in ("-z", "-P", "-s")) > 1:
        raise CommandError("Only one of -z, -P, and -s can be specified at the same time")
    for option in ("-b", "-c", "-s", "-n"):
        if given.has(option):
            raise CommandError(f"write {option} is not served by the embedded programs")
    pattern = _pattern(given.last("-P"))
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    _within(edge.node, offset, length, "writev" if name == "writev" else name)
    started = time.monotonic()
    if given.has("-z"):
        _write_zeroes(edge.node, offset, length, given.has("-u"))
    else:
        data = bytes((0xCD if pattern is None else pattern,)) * min(_CHUNK, length)
        for at in range(0, length, _CHUNK):
            edge.node.write(offset + at, data[: length - at])
    if not given.has("-q"):
        _report("wrote", offset, length, started, given.has("-C"))


def _write_zeroes(node: Node, offset: int, length: int, unmap: bool) -> None:
    if isinstance(node, Qcow2Node):
        node.write_zeroes(offset, length, unmap)
        return
    for at in range(0, length, _CHUNK):
        node.write(offset + at, bytes(min(_CHUNK, length - at)))


def _discard(edge: Edge, name: str, words: list[str]) -> None:
    _permit(edge, WRITE)
    given = _options(name, words, "Cq")
    _check_operands(name, given)
    offset, length = _lengths(name, given.operands)
    _within(edge.node, offset, length, name)
    started = time.monotonic()
    if isinstance(edge.node, Qcow2Node):
        edge.node.discard(offset, length)
    if not given.has("-q"):
        _report("discard", offset, length, started, given.has("-C"))


def _truncate(edge: Edge, name: str, words: list[str]) -> None:
    _permit(edge, WRITE | RESIZE)
    given = _options(name, words, "m:")
    mode = given.last("-m")
    if mode not in (None, "off"):
        raise BlockError(f"Invalid preallocation mode '{mode}'")
    size = _number(given.operands[0])
    from .img_resize import truncate

    truncate(edge.node, size)


def _length(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    sys.stdout.write(human(edge.node.size) + "\n")


def _info(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    from .img_info import describe

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


def _allocated(node: Node, offset: int, length: int) -> tuple[bool, int]:
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


def _alloc(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    offset = _number(words[0])
    count = _number(words[1]) if len(words) > 1 else 512
    node = edge.node
    end = min(offset + count, node.size)
    total, at = 0, offset
    while at < end:
        taken, run_length = _allocated(node, at, end - at)
        total += run_length if taken else 0
        at += run_length
    sys.stdout.write(f"{total}/{count} bytes allocated at offset {human(offset)}\n")


def _map(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    node = edge.node
    at = 0
    while at < node.size:
        taken, length = _allocated(node, at, node.size - at)
        state = "    allocated" if taken else "not allocated"
        sys.stdout.write(
            f"{human(length)} ({length:#x}) bytes {state} at offset {human(at)} ({at:#x})\n"
        )
        at += length


def _reopen(edge: Edge, name: str, words: list[str]) -> None:
    given = _options(name, words, "rwc:o:")
    if sum(option in ("-r", "-w") for option, _ in given.options) > 1:
        raise BlockError("Only one -r/-w option may be given")
    for option in ("-c", "-o"):
        if given.has(option):
            raise BlockError(f"reopen {option} is not served by the embedded programs")
    if given.operands:
        raise _usage(name)
    if given.has("-r"):
        graph.change(edge, edge.perm & ~(WRITE | RESIZE), edge.shared)
        graph.set_read_only(edge.node, True)
    elif given.has("-w"):
        graph.set_read_only(edge.node, False)
        graph.change(edge, edge.perm | WRITE, edge.shared)


def _nothing(edge: Edge, name: str, words: list[str]) -> None:  # noqa: ARG001 - one signature
    edge.node.flush()


def _sleep(session: Session, words: list[str]) -> None:  # noqa: ARG001 - one signature
    try:
        milliseconds = int(words[0], 0)
    except ValueError:
        raise CommandError(f"{words[0]} is not a valid number") from None
    time.sleep(milliseconds / 1000)  # the command is to wait; nothing else could end it


def _open(session: Session, words: list[str]) -> None:
    given = _options("open", words, "snCro:ki:t:d:U")
    for option in ("-s", "-C"):
        if given.has(option):
            raise BlockError(f"Option '{option}' of open is not served by the embedded programs")
    if len(given.operands) > 1:
        raise _usage("open")
    options: opts.Options = {}
    for text in given.all("-o"):
        options.update(opts.parse(text, "file"))
    name = given.operands[0] if given.operands else None
    if not session.open(name, options, given.has("-r"), given.has("-U")):
        raise _Quiet


def _help(session: Session, words: list[str]) -> None:  # noqa: ARG001 - one signature
    names = words or sorted(_COMMANDS)
    for name in names:
        if name not in _COMMANDS:
            sys.stdout.write(f"command {name} not found\n")
            return
        other, _, _, arguments, what = _COMMANDS[name]
        alias = f" or {other}" if other and not words else ""
        shown = f"{arguments} " if arguments else ""
        sys.stdout.write(f"{name}{alias} {shown}-- {what}\n")
    if not words:
        sys.stdout.write("\nUse 'help commandname' for extended help.\n")


_FILE_COMMANDS: dict[str, Callable[[Edge, str, list[str]], None]] = {
    "aio_flush": _nothing,
    "aio_read": _read,
    "aio_write": _write,
    "alloc": _alloc,
    "discard": _discard,
    "flush": _nothing,
    "info": _info,
    "length": _length,
    "map": _map,
    "read": _read,
    "readv": _read,
    "reopen": _reopen,
    "truncate": _truncate,
    "write": _write,
    "writev": _write,
}
