# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img: make, look at and change images, one command a process."""

from __future__ import annotations

import sys

from goldlock.embedded.common import getopt, report
from goldlock.embedded.common.report import BlockError, not_served

_VERSION = """\
qemu-img version 7.2.22 (embedded programs of goldlock)
"""
_HELP = """\
usage: qemu-img [standard options] command [command options]
The embedded qemu-img of goldlock: QEMU's locks, messages and qcow2 images, without QEMU.

    '-h', '--help'       display this help and exit
    '-V', '--version'    output version information and exit

Commands served:
  amend [-q] [-f fmt] -o options filename        (size, backing file unchanged, lazy_refcounts)
  bench [-c count] [-f fmt] [-n] [-o offset] [-q] [-s buffer_size] [-S step_size] [-w] [-U] filename
  check [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-U] filename
  commit [-q] [-f fmt] [-b base] [-d] filename
  compare [-f fmt] [-F fmt] [-p] [-q] [-s] [-U] filename1 filename2
  convert [-U] [-n] [-q] [-c] [-f fmt] [-O output_fmt] [-o options] [-B backing [-F fmt]]
    source target
  create [-q] [-f fmt] [-b backing_file [-F fmt]] [-u] [-o options] filename [size]
  dd [-U] [-f fmt] [-O output_fmt] [bs=n] [count=n] [skip=n] if=input of=output
  info [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename
  map [-f fmt] [--output=ofmt] [-s offset] [-l length] [-U] filename
  rebase [-q] [-f fmt] [-u] [-U] -b backing_file [-F fmt] filename
  resize [-f fmt] [--shrink] [-q] filename [+ | -]size
  snapshot -l | -a snapshot | -c snapshot | -d snapshot [-q] [-U] filename
Formats served: qcow2 (versions 2 and 3, refcounts of any width, zlib), raw.
Protocols served: file, null-co. `--image-opts` and json: names work with these.

Not served: bitmap, measure, encryption, external data files, extended L2 entries,
zstd, preallocation, other formats and protocols,
--object, -T, -p is taken and shows nothing.
Each is refused by name, with exit status 1.
"""
COMMANDS = {
    "amend": "resize",
    "bench": "bench",
    "check": "check",
    "commit": "commit",
    "compare": "compare",
    "convert": "convert",
    "create": "create",
    "dd": "convert",
    "info": "info",
    "map": "map",
    "rebase": "rebase",
    "resize": "resize",
    "snapshot": "snapshot",
}
_NOT_SERVED = ("bitmap", "measure")


def main(argv: list[str]) -> int:
    """Run one command; argv[0] is the program's name. Return the exit status."""
    report.set_program(argv[0])
    try:
        return _run(argv[1:])
    except getopt.UsageError as failure:
        report.error(str(failure), "Try 'qemu-img --help' for more information")
        return 1
    except BlockError as failure:
        report.error(failure.message, failure.hint)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as failure:
        report.error(f"{failure.strerror}")
        return 1
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = sys.stderr  # whoever read our output has gone: nothing left to flush


def _run(words: list[str]) -> int:
    if not words:
        raise getopt.UsageError("Not enough arguments")
    # -T is QEMU's tracing: we have none, so nothing would be traced.
    arguments = getopt.parse(words, "hVT:", ("help", "version", "trace="), permute=False)
    for option, _ in arguments.options:
        if option in ("-h", "--help"):
            sys.stdout.write(_HELP)
            return 0
        if option in ("-V", "--version"):
            sys.stdout.write(_VERSION)
            return 0
    if not arguments.operands:
        return 0
    name, *rest = arguments.operands
    if name in _NOT_SERVED:
        raise not_served(f"Command '{name}'")
    if name not in COMMANDS:
        raise getopt.UsageError(f"Command not found: {name}")
    module = __import__(f"{__package__}.{COMMANDS[name]}", fromlist=[name])
    status: int = getattr(module, name)(rest)
    return status


def show_help() -> int:
    """Print the help text, as `qemu-img COMMAND -h` does."""
    sys.stdout.write(_HELP)
    return 0


if __name__ == "__main__":
    sys.exit(main(["qemu-img", *sys.argv[1:]]))
