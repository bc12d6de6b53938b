# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img: make, look at and change images, one command a process."""

from __future__ import annotations

import sys

from goldlock.embedded.common import getopt, report
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.img.common import Help, Reported

_VERSION = """\
qemu-img version 7.2.22 (embedded programs of goldlock)
"""
_HELP = """\
usage: qemu-img [standard options] command [command options]
The embedded qemu-img of goldlock: QEMU's locks, messages and qcow2 images, without QEMU.

    '-h', '--help'       display this help and exit
    '-V', '--version'    output version information and exit

Commands served:
  amend [-q] [-f fmt] -o size=SIZE filename
  bench [-c count] [-f fmt] [-w] [-U] filename
  check [-q] [-f fmt] [--output=ofmt] [-U] filename
  commit [-q] [-f fmt] [-b base] [-d] filename
  compare [-f fmt] [-F fmt] [-q] [-s] [-U] filename1 filename2
  convert [-U] [-n] [-q] [-f fmt] [-O output_fmt] [-o options] source... target
  create [-q] [-f fmt] [-b backing_file [-F fmt]] [-u] [-o options] filename [size]
  dd [-U] [-f fmt] [-O output_fmt] [bs=n] [count=n] if=input of=output
  info [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename
  map [-f fmt] [--output=ofmt] [-s offset] [-l length] [-U] filename
  rebase [-q] [-f fmt] [-u] [-U] -b backing_file [-F fmt] filename
  resize [-f fmt] [--shrink] [-q] filename [+ | -]size
  snapshot -l [-q] [-U] filename
Formats served: qcow2 (versions 2 and 3, refcounts of any width, zlib), raw.
Protocols served: file, null-co. `--image-opts` and json: names work with these.

Every other command, option, value, format, protocol and image feature
is not served by the embedded programs: each is refused by name, with exit status 1.
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
        report.error(str(failure), "Try 'qemu-img --help' for more information\n")
        return 1
    except (Help, Reported) as ended:
        if isinstance(ended, Help):
            not_served("QEMU's help text")  # a case that shows it is not run
            sys.stdout.write(_HELP)
        return int(isinstance(ended, Reported))
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
    arguments = getopt.parse(words, "hVT:", ("help", "version", "trace="), permute=False)
    for option, _ in arguments.options:
        if option in ("-h", "--help"):
            raise Help
        if option in ("-V", "--version"):
            sys.stdout.write(_VERSION)
            return 0
        raise not_served(f"Option '{option}'")
    if not arguments.operands:
        return 0
    name, *rest = arguments.operands
    if name in _NOT_SERVED:
        raise not_served(f"Command '{name}'")
    if name not in COMMANDS:
        raise getopt.UsageError(f"Command not found: {name}")
    if name != "resize" and rest[:1] in (["-h"], ["--help"]):
        raise Help  # before more is loaded
    module = __import__(f"{__package__}.{COMMANDS[name]}", fromlist=[name])
    status: int = getattr(module, name)(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(["qemu-img", *sys.argv[1:]]))
