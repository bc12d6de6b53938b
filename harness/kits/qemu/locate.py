# SPDX-License-Identifier: GPL-2.0-or-later
"""Where QEMU's programs are: on PATH, by variables, in a build directory; or embedded ones."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from goldlock import IMPORTED_FROM, embedded
from goldlock.errors import UsageError
from goldlock.kits.qemu.environment import VARIABLES

LAUNCHERS = ".qemu"
"""The folder of the scratch directory that the embedded programs are started from."""


def locate(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Find the programs: those that variables name, else those on PATH.

    Returns paths, and reasons for those that are missing. Raises UsageError when a
    variable names a file that is not there or cannot be executed.
    """
    paths, missing = {}, {}
    for program, variable in VARIABLES.items():
        if named := environ.get(variable):
            paths[program] = _executable(named, variable, environ)
        elif found := _on_path(program, environ.get("PATH", os.defpath)):
            paths[program] = found
        else:
            missing[program] = f"no {program} on PATH; {variable} can name one"
    return paths, missing


_IN_BUILD = {
    "qemu-system": "qemu-system-*",
    "qemu-storage-daemon": "storage-daemon/qemu-storage-daemon",
}
"""Where a build directory has programs, if not by their names."""


def of_build(build: str) -> tuple[dict[str, str], dict[str, str]]:
    """Find the programs of a build directory; return what `locate` does."""
    paths, missing = {}, {}
    for program in VARIABLES:
        pattern = _IN_BUILD.get(program, program)
        found = [path for path in sorted(Path(build).glob(pattern)) if os.access(path, os.X_OK)]
        if not found:  # where it is installed
            found = [path for path in [Path(build, program)] if os.access(path, os.X_OK)]
        native = [path for path in found if path.name.endswith(os.uname().machine)]
        if found:
            paths[program] = str((native or found)[0])
        else:
            missing[program] = f"--build {build} has no {program}"
    if not paths:
        raise UsageError(f"--build {build}: none of {', '.join(VARIABLES)} is there")
    return paths, missing


def embed(scratch: Path) -> dict[str, str]:
    """Make programs out of the embedded ones, in a folder of *scratch*; return their paths.

    They start without site-packages, which takes half the time.
    """
    folder = scratch / LAUNCHERS
    folder.mkdir()
    paths = {}
    for name, package in embedded.PROGRAMS.items():
        text = (
            f"#!{sys.executable} -IS\n"
            f"import sys\nsys.path.insert(0, {IMPORTED_FROM!r})\n"
            f"from goldlock.embedded.{package}.main import main\nsys.exit(main(sys.argv))\n"
        )
        path = folder / name
        if len(sys.executable) > 120 or " " in sys.executable:  # too much for a #! line
            (folder / f"{name}.py").write_text(text)
            argv = shlex.join([sys.executable, "-IS", f"{path}.py"])
            text = f'#!/bin/sh\nexec {argv} "$@"\n'
        path.write_text(text)
        path.chmod(0o755)
        paths[name] = str(path)
    return paths


def _executable(named: str, variable: str, environ: Mapping[str, str]) -> str:
    found = shutil.which(named, path=environ.get("PATH", os.defpath))
    if found:
        return str(Path(found).absolute())
    state = "is not executable" if Path(named).exists() else "is not there"
    raise UsageError(f"{variable}: {named} {state}; name another program, or unset {variable}")


def _on_path(program: str, path: str) -> str | None:
    names = [program]
    if program == "qemu-system":
        native = os.uname().machine
        machine = {"i686": "i386", "arm64": "aarch64"}.get(native, native)
        names = [f"qemu-system-{machine}", "qemu-kvm"]
    return next((found for name in names if (found := shutil.which(name, path=path))), None)
