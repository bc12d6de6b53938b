# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU without its accelerator for tests: found out by trying it, and what stands in for it.

``-accel help`` does not list qtest, on purpose. The stand-in is a script before qemu-system that
takes tcg for qtest, and gives the guest a firmware that halts its processor at once: what a guest
would do beside the test is what qtest leaves out. Only its clock still runs.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from goldlock.suite.question import Question

_NO_DEVICE = "no-such-device"

_FIRMWARE = bytes(65536 - 16) + b"\xfa\xf4\xeb\xfc" + bytes(12)
"""At the reset vector, 16 bytes before its end: cli; hlt; jmp to the hlt."""

_SCRIPT = """\
#!/bin/sh
for word do
    shift
    case $last.$word in
        -accel.qtest | -accel.qtest,*) word=tcg${{word#qtest}} ;;
    esac
    set -- "$@" "$word"
    last=$word
done
exec {program} -bios {firmware} "$@"
"""


def works(program: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a qemu-system has qtest; raise UsageError where it cannot be asked.

    It is given a device that there is none of, which it complains of once it has its accelerator.
    """
    words = ["-M", "none", "-accel", "qtest", "-nodefaults", "-display", "none"]
    argv = [program, *words, "-device", _NO_DEVICE]
    question = Question(environ, argv, subject=f"{program} -accel qtest")
    return _NO_DEVICE in question.answer()


def stand_in(program: str, folder: Path) -> str:
    """Make the stand-in for a qemu-system in a folder, by the name that it prints; return it."""
    folder.mkdir()
    firmware, script = folder / "halt.bin", folder / os.path.basename(program)  # noqa: PTH119 - a string
    firmware.write_bytes(_FIRMWARE)
    quoted = {"program": shlex.quote(program), "firmware": shlex.quote(str(firmware))}
    script.write_text(_SCRIPT.format(**quoted))
    script.chmod(0o755)
    return str(script)
