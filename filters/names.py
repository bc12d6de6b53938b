# SPDX-License-Identifier: GPL-2.0-or-later
r"""Names that differ from run to run: directories, the image format, programs."""

import re
from collections.abc import Callable
from posixpath import basename


def directory(path: str, name: str) -> Callable[[str], str]:
    r"""Make a filter that writes *name* for the directory *path*, taken literally.

    Only the whole directory counts: neither ``/mnt/tmp/x`` nor ``/tmp/x.old`` is
    ``/tmp/x``. Raises ValueError when *path* is not absolute, or is the root.

    before: ``Could not open '/tmp/x/t.qcow2'``
    after:  ``Could not open 'TEST_DIR/t.qcow2'``
    """
    path = path.rstrip("/")
    if not path.startswith("/"):
        raise ValueError(f"not the absolute path of a directory below the root: {path!r}")
    # The only slash that may stand before an absolute path is that of a URL.
    pattern = re.compile(rf"(?:(?<![\w./-])|(?<=://)){re.escape(path)}(?![\w-]|\.\w)")
    return lambda text: pattern.sub(lambda _: name, text)


def image_format(fmt: str) -> Callable[[str], str]:
    r"""Make a filter that writes ``IMGFMT`` for the word *fmt*.

    With ``raw``, the words ``draw`` and ``raw_size`` stay.

    before: ``file format: qcow2``
    after:  ``file format: IMGFMT``
    """
    pattern = re.compile(rf"(?<!\w){re.escape(fmt)}(?!\w)")
    return lambda text: pattern.sub("IMGFMT", text)


def program(path: str, name: str = "QEMU_PROG") -> Callable[[str], str]:
    r"""Make a filter that writes *name* for a program at the start of its messages.

    The monitor's prompt may stand before it; QEMU's version in the monitor's greeting
    goes, too.

    before: ``qemu-system-x86_64: -drive if=none: ...``
    after:  ``QEMU_PROG: -drive if=none: ...``
    """
    message = re.compile(rf"^(\(qemu\) )?(?:{re.escape(path)}|{re.escape(basename(path))}):", re.M)
    greeting = re.compile(r"^QEMU \d+\.\d+\.\d+(?: \([^)\n]*\))? monitor", re.M)

    def filtered(text: str) -> str:
        text = message.sub(lambda found: f"{found[1] or ''}{name}:", text)
        return greeting.sub("QEMU X.Y.Z monitor", text)

    return filtered


def node_names(text: str) -> str:
    r"""Write ``NODE_NAME`` for the names that QEMU makes up for block nodes.

    before: ``d0 (#block166): TEST_DIR/t.qcow2 (qcow2)``
    after:  ``d0 (NODE_NAME): TEST_DIR/t.qcow2 (qcow2)``
    """
    return re.sub(r"#block\d{3,}(?!\w)", "NODE_NAME", text)


def holders(path: str, name: str = "QEMU_PROG") -> Callable[[str], str]:
    r"""Make a filter that writes *name* for the program at *path* in tables of locks, and ``PID``.

    before: ``t.qcow2: byte 101, it may write: qemu-system-x86_64 (pid 7, holder)``
    after:  ``t.qcow2: byte 101, it may write: QEMU_PROG (pid PID, holder)``
    """
    known = basename(path)
    who = re.compile(r": ([^:\n]+) \(pid \d+, (holder|contender)\)$", re.M)

    def filtered(found: re.Match[str]) -> str:
        return f": {name if found[1] == known else found[1]} (pid PID, {found[2]})"

    return lambda text: who.sub(filtered, text)
