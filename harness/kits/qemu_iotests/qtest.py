# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU without its accelerator for tests: found out by trying it, and what stands in for it.

``-accel help`` does not list qtest, on purpose. The stand-in is a script before qemu-system that
takes tcg for qtest, and gives the guest a firmware that halts its processor at once: what a guest
would do beside the test is what qtest leaves out. Only its clock still runs.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.suite.question import LIMIT

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
    """Tell whether a qemu-system has qtest; raise UsageError where it cannot be asked."""
    quit_at_once = [program, "-M", "none", "-accel", "qtest", "-nodefaults", "-display", "none"]
    try:
        done = subprocess.run(
            [*quit_at_once, "-monitor", "stdio"],
            env=environ,
            input=b"quit\n",
            capture_output=True,
            check=False,
            timeout=LIMIT,
        )
    except OSError as error:
        raise UsageError(f"{program} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{program} -accel qtest: no end in {LIMIT:g} s") from None
    return done.returncode == 0


def stand_in(program: str, folder: Path) -> str:
    """Make the stand-in for a qemu-system in a folder, by the name that it prints; return it."""
    folder.mkdir()
    firmware, script = folder / "halt.bin", folder / os.path.basename(program)  # noqa: PTH119 - a string
    firmware.write_bytes(_FIRMWARE)
    quoted = {"program": shlex.quote(program), "firmware": shlex.quote(str(firmware))}
    script.write_text(_SCRIPT.format(**quoted))
    script.chmod(0o755)
    return str(script)
