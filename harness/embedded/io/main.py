# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-io: open an image and read and write it, by commands from -c or standard input."""

from __future__ import annotations

import sys

from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.io.session import Session

_HELP = """\
Usage: qemu-io [OPTIONS]... [-c STRING]... [file]
The embedded qemu-io of goldlock: QEMU's locks and qcow2 images, without QEMU.

  --image-opts         treat file as option string
  -c, --cmd STRING     execute command with its arguments from the given string
  -f, --format FMT     specifies the block driver to use (qcow2 or raw)
  -r, --read-only      export read-only
  -U, --force-share    force shared permissions
  -t, --cache=MODE     writeback, writethrough, unsafe: without effect here
  -d, --discard=MODE   unmap, on: as it is anyhow
  -i, --aio=MODE       threads: without effect here
  -h, --help           display this help and exit
  -V, --version        output version information and exit

Commands served: read write flush discard truncate length info alloc map reopen open close quit.
Every other option, value and command
is not served by the embedded programs: each is refused by name, with exit status 1.
"""
# Values that say what is so anyhow, and those that QEMU has beside them.
_VALUES = {
    ("-t", "--cache"): ("cache", ("writeback", "writethrough", "unsafe"),
                        ("none", "off", "directsync")),
    ("-i", "--aio"): ("aio", ("threads",), ("native", "io_uring")),
    ("-d", "--discard"): ("discard", ("unmap", "on"), ("ignore", "off")),
}  # fmt: skip
_NOT_SERVED = (
    "-s", "--snapshot", "-n", "--nocache", "-C", "--copy-on-read", "-m", "--misalign", "-k",
    "--native-aio", "-T", "--trace", "--object",
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Run the commands of one call; argv[0] is the program's name. Return the exit status."""
    report.set_program(argv[0])
    try:
        return _run(argv[1:])
    except getopt.UsageError as failure:
        report.error(not_served(f"qemu-io's usage text ({failure})").message)
        return 1
    except BlockError as failure:
        report.error(failure.message, failure.hint)
        return 1
    except BrokenPipeError:
        return 1
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = sys.stderr


def _run(words: list[str]) -> int:
    arguments = getopt.parse(
        words, "hVc:d:f:rsnCmki:t:T:U",
        ("help", "version", "cmd=", "format=", "read-only", "snapshot", "nocache", "copy-on-read",
         "misalign", "native-aio", "discard=", "cache=", "trace=", "force-share", "object=",
         "image-opts", "aio="),
    )  # fmt: skip
    if arguments.has("-h", "--help"):
        not_served("QEMU's help text")  # a case that shows it is not run
        sys.stdout.write(_HELP)
        return 0
    if arguments.has("-V", "--version"):
        sys.stdout.write("qemu-io version 7.2.22 (embedded programs of goldlock)\n")
        return 0
    _check(arguments)
    if len(arguments.operands) > 1:
        raise getopt.UsageError("more than one image")
    image_opts = arguments.has("--image-opts")
    fmt = arguments.last("-f", "--format")
    if image_opts and fmt is not None:
        raise BlockError("--image-opts and -f are mutually exclusive")
    session = Session()
    session.read_only = arguments.has("-r", "--read-only")
    session.force_share = arguments.has("-U", "--force-share")
    try:
        if arguments.operands:
            options = {} if fmt is None else {"driver": fmt}
            name: str | None = arguments.operands[0]
            if image_opts:
                options, name = opts.parse(arguments.operands[0], "file"), None
            if not session.open(name, options, session.read_only, session.force_share):
                return 1
        from goldlock.embedded.io.commands import loop

        return loop(session, arguments.all("-c", "--cmd"))
    finally:
        session.close()


def _check(arguments: getopt.Arguments) -> None:
    for option, value in arguments.options:
        if option in _NOT_SERVED:
            raise not_served(f"Option '{option}'")
        for names, (what, served, known) in _VALUES.items():
            if option in names and value not in served:
                if value in known:
                    raise not_served(f"Option '{option} {value}'")
                raise BlockError(f"Invalid {what} option: {value}")


if __name__ == "__main__":
    sys.exit(main(["qemu-io", *sys.argv[1:]]))
