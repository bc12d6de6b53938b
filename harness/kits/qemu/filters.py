# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters for what QEMU says. What holds for all filters is told in `goldlock.filters`."""

import json
import re
from collections.abc import Callable
from posixpath import basename

__all__ = [
    "errors_said_once",
    "escaped_line_ends",
    "hmp",
    "image_creation",
    "image_format",
    "image_info",
    "node_names",
    "program",
    "qemu_io",
    "qmp",
    "stable_reopen",
    "unnamed_warnings",
    "usage_errors",
    "utility",
    "without_device_phase",
    "without_errno",
    "without_error_prefix",
]

# Monitors


def qmp(text: str) -> str:
    r"""Blank out the times of events, and the greeting, which holds a version.

    before: ``{"timestamp": {"seconds": 1608558570, "microseconds": 17}, "event": "STOP"}``
    after:  ``{"timestamp": {"seconds":  TIMESTAMP, "microseconds":  TIMESTAMP}, "event": "STOP"}``
    """
    return _GREETING.sub("QMP_VERSION", _TIME.sub(r"\1  TIMESTAMP", text))


_TIME = re.compile(r'("(?:micro)?seconds":) +-?\d+')
_GREETING = re.compile(r'^\{"QMP": ?\{.*\}\}\r?$', re.M)


def escaped_line_ends(text: str) -> str:
    r"""Drop the backslashes of escaped line ends in a JSON text.

    The shell that the tests of QEMU were first written for dropped them, and their
    goldens keep that.

    before: ``{"return": "OK\\r\\n"}``
    after:  ``{"return": "OKrn"}``
    """
    return re.sub(r"\\+(?=[rn])", "", text)


def hmp(text: str) -> str:
    r"""Keep the last state of a line that the monitor's line editor wrote letter by letter.

    before: ``(qemu) q\x1b[K\x1b[Dqu\x1b[K\x1b[D\x1b[Dquit\x1b[K``
    after:  ``(qemu) quit``
    """
    while _ERASE in text:
        text = text.replace(_ERASE, "")
    return _TYPED.sub(lambda found: found[1] or "", text)


_ERASE = "\x1b[K"
_LEFT = "\x1b[D"
_TYPED = re.compile(rf"^(\(qemu\) )?[^\n]*{re.escape(_LEFT)}", re.M)

# Utilities


def image_creation(text: str) -> str:
    r"""Keep what a person chose in a ``Formatting`` line, in one order for all formats.

    Paths are left to the filters of directories, which go first: a blank in one is not
    to be taken for the start of an option.

    before: ``Formatting 'TEST_DIR/t.qcow2', fmt=qcow2 cluster_size=65536 size=1024``
    after:  ``Formatting 'TEST_DIR/t.qcow2', fmt=qcow2 size=1024``
    """
    return _FORMATTING.sub(lambda found: f"{found[1]}, {_chosen(found[2])}", text)


# The options that say what an image is; all others are defaults of a version of QEMU.
_KEPT = ("fmt", "size", "backing", "data_file", "encryption", "preallocation")
_FORMATTING = re.compile(r"^(Formatting '.*?'), (fmt=.*)$", re.M)
_NEXT_OPTION = re.compile(r" (?=[a-z0-9_.-]+=)")


def _chosen(options: str) -> str:
    ranked = []
    for option in _NEXT_OPTION.split(options):
        key = option.split("=")[0]
        rank = next((i for i, kept in enumerate(_KEPT) if key.startswith(kept)), None)
        if rank is not None:
            ranked.append((rank, option.rstrip()))
    return " ".join(option for _, option in sorted(ranked))


def image_info(text: str) -> str:
    r"""Keep what qemu-img info says of an image in all versions: names, formats, sizes.

    before: ``disk size: 196 KiB``
    after:  nothing
    """
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith(_INFO))


_INFO = (
    *("image: ", "file format: ", "virtual size: ", "encrypted: ", "cluster_size: "),
    *("backing file: ", "backing file format: "),
)


def qemu_io(text: str) -> str:
    r"""Blank out speeds, and drop the prompts at the start of lines.

    before: ``512 bytes, 1 ops; 00.00 sec (12.2 MiB/sec and 25000.0000 ops/sec)``
    after:  ``512 bytes, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)``
    """
    text = _PROMPTS.sub("", text)
    return _SPEED.sub("X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)", text)


_SPEED = re.compile(
    r"\d+ ops; [0-9:. a-z]*\([0-9./einf+]* ?[EPTGMKiBbytes]*/sec and [0-9.einf+/]* ops/sec\)"
)
_PROMPTS = re.compile(r"^(?:qemu-io> )+", re.M)

# Names


def image_format(fmt: str) -> Callable[[str], str]:
    r"""Make a filter that writes ``IMGFMT`` for the word *fmt*.

    With ``raw``, the words ``draw`` and ``raw_size`` stay.

    before: ``file format: qcow2``
    after:  ``file format: IMGFMT``
    """
    pattern = re.compile(rf"(?<!\w){re.escape(fmt)}(?!\w)")
    return lambda text: pattern.sub("IMGFMT", text)


def node_names(text: str) -> str:
    r"""Write ``NODE_NAME`` for the names that QEMU makes up for block nodes.

    before: ``d0 (#block166): TEST_DIR/t.qcow2 (qcow2)``
    after:  ``d0 (NODE_NAME): TEST_DIR/t.qcow2 (qcow2)``
    """
    return re.sub(r"#block\d{3,}(?!\w)", "NODE_NAME", text)


def program(path: str) -> Callable[[str], str]:
    r"""Make a filter that writes ``QEMU_PROG`` for the emulator at *path* where it speaks or locks.

    That is at the start of its messages, after the monitor's prompt or not, and in tables of
    locks. QEMU's version in the monitor's greeting goes, too.

    before: ``qemu-system-x86_64: -drive if=none: ...``
    after:  ``QEMU_PROG: -drive if=none: ...``
    """
    name = re.escape(basename(path))
    message = re.compile(rf"^(\(qemu\) )?(?:{re.escape(path)}|{name}):", re.M)
    holder = re.compile(rf"(?<=: ){name}(?= \(pid (?:\d+|PID), (?:holder|contender)\)$)", re.M)
    greeting = re.compile(r"^QEMU \d+\.\d+\.\d+(?: \([^)\n]*\))? monitor", re.M)

    def filtered(text: str) -> str:
        text = message.sub(lambda found: f"{found[1] or ''}QEMU_PROG:", text)
        text = holder.sub("QEMU_PROG", text)
        return greeting.sub("QEMU X.Y.Z monitor", text)

    return filtered


def utility(path: str, name: str) -> Callable[[str], str]:
    r"""Make a filter that writes *name* for the utility at *path* where it names itself.

    That is at the start of its messages, and in the hint of a usage error. Since 10.1, it names
    itself as it was started.

    before: ``/build/qemu-img: Could not open 'TEST_DIR/t.qcow2'``
    after:  ``qemu-img: Could not open 'TEST_DIR/t.qcow2'``
    """
    if not path:
        return str
    own = re.compile(rf"^(Try ')?(?:{re.escape(path)}|{re.escape(basename(path))})(?=[ :])", re.M)
    return lambda text: own.sub(lambda found: f"{found[1] or ''}{name}", text)


# What differs from version to version, and is made one where it is not what a case is about


def usage_errors(text: str) -> str:
    r"""Word an unknown option of qemu-img as it was before 10.1, whatever the command.

    So it goes with the line after it, ``Try 'qemu-img resize --help' for more info``.

    before: ``qemu-img resize: invalid option -- 'U'``
    after:  ``qemu-img: unrecognized option '-U'``
    """
    text = _INVALID_OPTION.sub(r"\1: unrecognized option '-\2'", text)
    return _TRY_HELP.sub(r"Try '\1 --help' for more information", text)


_INVALID_OPTION = re.compile(r"^(qemu-img) [a-z]+: invalid option -- '(\w)'$", re.M)
_TRY_HELP = re.compile(r"^Try '(qemu-img)(?: [a-z]+)? --help' for more info(?:rmation)?$", re.M)


def stable_reopen(text: str) -> str:
    r"""Write the command that reopens a node as it is since 6.1, when it became stable.

    before: ``{ 'execute': 'x-blockdev-reopen', 'arguments': { 'driver': 'x' } }``
    after:  ``{ 'execute': 'blockdev-reopen', 'arguments': { 'options': [ { 'driver': 'x' } ] } }``
    """
    return _REOPEN.sub(r"'blockdev-reopen', 'arguments': { 'options': [ \1 ] } }", text)


_REOPEN = re.compile(r"'x-blockdev-reopen', 'arguments': (\{.*\}) \}$", re.M)


def unnamed_warnings(text: str) -> str:
    r"""Drop the program's name before a warning, where a monitor command has caused it.

    Since 11.0 it is there.

    before: ``QEMU_PROG: warning: Failed to unlock byte 101``
    after:  ``warning: Failed to unlock byte 101``
    """
    return re.sub(r"^QEMU_PROG: (?=warning: )", "", text, flags=re.M)


def without_errno(text: str) -> str:
    """Leave out the errno of a lock conflict: not every QEMU tells it.

    before: ``Failed to get "write" lock: Resource temporarily unavailable``
    after:  ``Failed to get "write" lock``
    """
    return _CONFLICT.sub(r"\1", text)


_CONFLICT = re.compile(r'(Failed to get (?:shared )?"[a-z ]+" lock): .*')


def without_error_prefix(text: str) -> str:
    r"""Drop what the human monitor says before an error.

    Since 10.2, drive_add says it, as other commands did before.

    before: ``{"return": "Error: Failed to lock byte 201rn"}``, ``Error: Device 'd0' not found``
    after:  ``{"return": "Failed to lock byte 201rn"}``, ``Device 'd0' not found``
    """
    wanted = r'^(\{"return": "|)Error: (?=Failed to |Device )'
    return re.sub(wanted, r"\1", text, flags=re.M)


def without_device_phase(text: str) -> str:
    r"""Drop the event of the phase in which a migration saves its devices, new in 10.0.

    before: ``{"event": "MIGRATION", "data": {"status": "device"}}``
    after:  nothing
    """
    return _DEVICE_PHASE.sub("", text)


_DEVICE_PHASE = re.compile(r'^\{.*"event": "MIGRATION", "data": \{"status": "device"\}\}\n?', re.M)


def errors_said_once(text: str) -> str:
    r"""Drop what QEMU prints before an answer that says it, too: since 10.0, `cont` does.

    before: ``Failed to lock byte 101``, and an answer whose description is that
    after:  the answer
    """
    *printed, answer = text.rstrip("\n").split("\n")
    if not printed or not answer.startswith('{"error": '):
        return text
    said = json.loads(answer)["error"]["desc"]
    for index, line in enumerate(printed):
        if line.removeprefix("QEMU_PROG: ") == said:
            hint = printed[index + 1 : index + 2]
            del printed[index : index + 1 + (bool(hint) and hint[0].startswith(_HINT))]
            break
    return "\n".join([*printed, answer])


_HINT = "Is another process using the image"
