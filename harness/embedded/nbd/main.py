# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-nbd: serve one image over NBD on a UNIX socket or a TCP port."""

from __future__ import annotations

import os
import select
import sys

from goldlock.embedded.block import images
from goldlock.embedded.block.images import Image
from goldlock.embedded.block.opening import Flags
from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.system.drives import Machine

_HELP = """\
Usage: qemu-nbd [OPTIONS] FILE
The embedded qemu-nbd of goldlock: QEMU's locks and qcow2 images over NBD, without QEMU.

  -h, --help                display this help and exit
  -V, --version             output version information and exit
  -p, --port=PORT           port to listen on (default `10809')
  -b, --bind=IFACE          interface to bind to (default `0.0.0.0')
  -k, --socket=PATH         path to the unix socket
  -e, --shared=NUM          taken, any number of clients may connect
  -t, --persistent          don't exit on the last connection
  -x, --export-name=NAME    expose export by name (default is empty string)
  -r, --read-only           export read-only
  -f, --format=FORMAT       set image format (raw, qcow2)
      --pid-file=FILE       store our process ID once clients can connect
      --image-opts          treat FILE as a full set of image options
  -n, --nocache, --cache=MODE, --aio=MODE, --discard=MODE: taken, without effect

Not served: --fork, -c (connect), -d (disconnect), -L (list), -s, -l, -B, -D, -A, -o,
--tls-*, --object; each is refused by name with exit status 1.
"""
_NOT_SERVED = (
    "--fork", "-c", "--connect", "-d", "--disconnect", "-L", "--list", "-s", "--snapshot", "-l",
    "--load-snapshot", "-B", "--bitmap", "-A", "--allocation-depth", "-o", "--offset",
    "--tls-creds", "--object", "-D", "--description",
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Serve until the last client has gone (or for ever, with -t); return the exit status."""
    report.set_program(argv[0])
    try:
        return _run(argv[1:])
    except getopt.UsageError as failure:
        report.error(str(failure), f"Try `{report.program()} --help' for more information.")
        return 1
    except BlockError as failure:
        report.error(failure.message, failure.hint)
        return 1


def _run(words: list[str]) -> int:
    arguments = getopt.parse(
        words, "hVb:o:p:rsnc:dvk:e:f:tl:x:T:D:AB:L",
        ("help", "version", "bind=", "port=", "socket=", "offset=", "read-only", "bitmap=",
         "allocation-depth", "connect=", "disconnect", "list", "snapshot", "load-snapshot=",
         "nocache", "cache=", "aio=", "discard=", "detect-zeroes=", "shared=", "format=",
         "persistent", "verbose", "export-name=", "description=", "tls-creds=", "image-opts",
         "trace=", "fork", "pid-file=", "object="),
    )  # fmt: skip
    if arguments.has("-h", "--help"):
        sys.stdout.write(_HELP)
        return 0
    if arguments.has("-V", "--version"):
        sys.stdout.write("qemu-nbd 7.2.22 (embedded programs of goldlock)\n")
        return 0
    for option, _ in arguments.options:
        if option in _NOT_SERVED:
            raise BlockError(f"Option '{option}' is not served by the embedded programs")
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Invalid number of arguments")
    _serve(arguments, arguments.operands[0])
    return 0


def _open(arguments: getopt.Arguments, filename: str, read_only: bool) -> Image:
    options: opts.Options = {}
    name: str | None = filename
    fmt = arguments.last("-f", "--format")
    if arguments.has("--image-opts"):
        options, name = opts.parse(filename, "file"), None
    elif fmt:
        options["driver"] = fmt
    try:
        return images.open_image(name, options, Flags(read_only=read_only))
    except BlockError as failure:
        raise failure.prefixed(f"Failed to blk_new_open '{filename}': ") from None


def _serve(arguments: getopt.Arguments, filename: str) -> None:
    from goldlock.embedded.nbd.server import Server

    read_only = arguments.has("-r", "--read-only")
    machine = Machine()
    image = _open(arguments, filename, read_only)
    path = arguments.last("-k", "--socket")
    where: dict[str, object] = (
        {"path": path}
        if path
        else {
            "host": arguments.last("-b", "--bind") or "0.0.0.0",
            "port": arguments.last("-p", "--port") or "10809",
        }
    )
    try:
        machine.nbd = Server.listen(machine, "unix" if path else "inet", where)
        machine.add_export(image.node, arguments.last("-x", "--export-name") or "", not read_only)
        pid_file = arguments.last("--pid-file")
        if pid_file:
            with open(pid_file, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs
                file.write(f"{os.getpid()}\n")
        persistent = arguments.has("-t", "--persistent")
        had_client = False
        while persistent or not had_client or machine.nbd.clients:
            ready, _, _ = select.select(machine.nbd.descriptors(), [], [])
            for fd in ready:
                machine.nbd.serve(fd)
            had_client = had_client or bool(machine.nbd.clients)
    finally:
        machine.close()
        image.close()


if __name__ == "__main__":
    sys.exit(main(["qemu-nbd", *sys.argv[1:]]))
