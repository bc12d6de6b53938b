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
  -n, --nocache        taken, has no effect on a file in the page cache
  -m, --misalign       taken, has no effect
  -k, --native-aio     taken, has no effect
  -t, --cache=MODE     taken, has no effect on a file in the page cache
  -d, --discard=MODE   taken, has no effect
  -i, --aio=MODE       taken, has no effect
  -T, --trace FILE     taken, nothing is traced
  -h, --help           display this help and exit
  -V, --version        output version information and exit

Commands served: read readv aio_read write writev aio_write aio_flush flush discard
truncate length info alloc map reopen sleep open close help quit.
Not served: --object, -s (snapshot), -C (copy on read), write -b and -c, break,
remove_break, resume, wait_break, abort, sigraise; each is refused by name with
exit status 1.
"""
_CACHE_MODES = ("none", "off", "directsync", "writeback", "writethrough", "unsafe")


def main(argv: list[str]) -> int:
    """Run the commands of one call; argv[0] is the program's name. Return the exit status."""
    report.set_program(argv[0])
    try:
        return _run(argv[1:])
    except getopt.UsageError as failure:
        word = str(failure).rpartition("'")[0].rpartition("'")[2]
        kind = "unrecognized option" if word.startswith("--") else "invalid option --"
        shown = word if word.startswith("--") else word.lstrip("-")[:1]
        if "missing" in str(failure):
            kind = "option requires an argument --"
        report.write_error(f"{report.program()}: {kind} '{shown}'\n")
        sys.stdout.write(_HELP)
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
        sys.stdout.write(_HELP)
        return 0
    if arguments.has("-V", "--version"):
        sys.stdout.write("qemu-io version 7.2.22 (embedded programs of goldlock)\n")
        return 0
    _check(arguments)
    if len(arguments.operands) > 1:
        sys.stdout.write(_HELP)
        return 1
    image_opts = arguments.has("--image-opts")
    fmt = arguments.last("-f", "--format")
    if image_opts and fmt:
        raise BlockError("--image-opts and -f are mutually exclusive")
    session = Session()
    session.read_only = arguments.has("-r", "--read-only")
    session.force_share = arguments.has("-U", "--force-share")
    try:
        if arguments.operands:
            options = {"driver": fmt} if fmt else {}
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
        if option in ("-t", "--cache") and value not in _CACHE_MODES:
            raise BlockError(f"Invalid cache option: {value}")
        if option in ("-i", "--aio") and value not in ("threads", "native", "io_uring"):
            raise BlockError(f"Invalid aio option: {value}")
        if option in ("-d", "--discard") and value not in ("ignore", "unmap", "off", "on"):
            raise BlockError(f"Invalid discard option: {value}")
        if option in ("-s", "--snapshot", "-C", "--copy-on-read", "--object"):
            raise not_served(f"Option '{option}'")


if __name__ == "__main__":
    sys.exit(main(["qemu-io", *sys.argv[1:]]))
