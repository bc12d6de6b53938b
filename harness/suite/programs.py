# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs under test: where they are, and what they can. Probed once a run."""

import fcntl
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from goldlock import IMPORTED_FROM, embedded
from goldlock.errors import UsageError

VARIABLES = {
    "qemu-system": "QEMU_PROG",
    "qemu-img": "QEMU_IMG_PROG",
    "qemu-io": "QEMU_IO_PROG",
    "qemu-nbd": "QEMU_NBD_PROG",
}
"""The programs by the names that headers use, and the variables that name their paths."""

ERRNO_POLICY_VARIABLE = "GOLDLOCK_ERRNO_POLICY"
"""Tells the embedded programs their errno policy."""

LAUNCHERS = "programs"
"""The folder of the scratch directory that the embedded programs are started from."""

_ARM = ("qemu-system-aarch64", "qemu-system-arm")

PROBE_LIMIT = 20.0
"""Seconds that a program has to tell its version."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs found and what was learnt of them.

    *paths* has the programs that are there; *launchers* is the folder of the embedded ones,
    empty where others are under test. *missing* tells, for a program or an ability
    that a header can need, why it is not. *accelerator* is empty without qemu-system.
    *errno_policy* is ``errno`` where lock messages end in the errno's text on contention,
    ``elided`` where they do not, empty where it could not be learnt.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    accelerator: str = ""
    errno_policy: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    launchers: str = ""

    @property
    def embedded(self) -> bool:
        """Return whether the programs are goldlock's own."""
        return bool(self.launchers)

    @property
    def traits(self) -> tuple[str, ...]:
        """Return the traits that a golden's variant can be chosen by; of `settings.TRAITS`."""
        return (self.errno_policy,) if self.errno_policy else ()

    @property
    def options(self) -> str:
        """Return the options that each qemu-system is started with."""
        accelerator = {"qtest": " -accel qtest", "tcg": " -accel tcg -S"}.get(self.accelerator, "")
        # The emulators of ARM have no default machine.
        arm = Path(self.paths.get("qemu-system", "")).name in _ARM
        return f"{'-machine virt ' if arm else ''}-nodefaults -display none{accelerator}"

    def why_not(self, need: str) -> str | None:
        """Return why *need* cannot be had; None when it can."""
        return self.missing.get(need)


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


class Probe:
    """Finds the programs, and learns their version, accelerator, locks and errno policy.

    They are asked from the start; `programs` waits for their answers. *scratch* is a folder
    on the file system that the cases will use, for an image to lock and for the embedded
    programs. Of what *kind* they are is ``system``, ``embedded``, or ``auto``: system, unless
    there is none. *errno_policy* is what the embedded ones have. Raises UsageError as `locate`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        scratch: Path,
        kind: str = "auto",
        errno_policy: str = "errno",
    ) -> None:
        self._paths, self._missing = locate(environ) if kind != "embedded" else ({}, {})
        self._launchers = ""
        if kind == "embedded" or (kind == "auto" and not self._paths):
            self._paths = embed(scratch)
            self._missing = {
                name: f"{name} is not served by the embedded programs"
                for name in VARIABLES.keys() - self._paths.keys()
            }
            self._launchers = str(scratch / LAUNCHERS)
            environ = {**environ, ERRNO_POLICY_VARIABLE: errno_policy}
        self._qemu, qemu_img = self._paths.get("qemu-system"), self._paths.get("qemu-img")
        any_program = next(iter(self._paths.values()), None)
        version = _Question(environ, qemu_img or any_program, "--version")
        accelerators = _Question(environ, self._qemu, "-accel", "help")
        self._image = _LockedImage(scratch)
        filename = str(self._image.path).replace(",", ",,")
        options = f"driver=raw,file.driver=file,file.locking=on,file.filename={filename}"
        asked = qemu_img if self._image.locked else None
        conflict = _Question(environ, asked, "map", "--image-opts", options)
        self._questions = (version, accelerators, conflict)
        self._stopped = False

    def stop(self) -> None:
        """End what has not answered; from any thread, also a signal handler."""
        self._stopped = True
        for question in self._questions:
            question.stop()

    def programs(self) -> Programs:
        """Return what was learnt; raise UsageError when a program hangs.

        Raises KeyboardInterrupt after `stop`.
        """
        version, accelerators, said = (question.answer() for question in self._questions)
        self._image.close()
        if self._stopped:
            raise KeyboardInterrupt
        known = accelerators.split()
        missing = dict(self._missing)
        accelerator = next((each for each in ("qtest", "tcg") if each in known), "")
        if self._qemu and not accelerator:
            missing["qemu-system"] = f"{self._qemu} has neither qtest nor tcg (-accel help)"
        if not self._image.locked:
            missing["ofd-locks"] = "this system has no OFD locks"
        elif "falling back to POSIX file" in said:
            missing["ofd-locks"] = "OFD locks are not available"
        policy = _errno_policy(said)
        return Programs(
            self._paths, _version(version), accelerator, policy, missing, self._launchers
        )


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


class _Question:
    """A program that is asked something, while others are."""

    def __init__(self, environ: Mapping[str, str], program: str | None, *arguments: str) -> None:
        self._argv = [program, *arguments] if program else []
        self._answered = False
        if not self._argv:
            return
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environ, "LC_ALL": "C"},
                process_group=0,  # it may be a script, whose programs end with it
            )
        except OSError as error:
            raise UsageError(f"{program} cannot be started: {error.strerror}") from None

    def answer(self) -> str:
        """Return what it prints, whatever its exit status; raise UsageError if it hangs."""
        if not self._argv:
            return ""
        try:
            said, _ = self._process.communicate(timeout=PROBE_LIMIT)
        except subprocess.TimeoutExpired:
            self.stop()
            self._process.wait()
            words = " ".join(self._argv[:2])
            raise UsageError(f"{words}: no answer in {PROBE_LIMIT:g} s") from None
        self._answered = True
        return said.decode("utf-8", "replace")

    def stop(self) -> None:
        """Kill it, and what it has started, unless it has answered."""
        if self._argv and not self._answered:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class _LockedImage:
    """An image that nobody else may read, as its locks say, until it is closed."""

    def __init__(self, scratch: Path) -> None:
        self.path = scratch / "probe"
        self._file = self.path.open("w+b")
        self._file.write(bytes(512))
        self._file.flush()
        # struct flock, for a read lock on byte 200: "I do not share consistent reads".
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 200, 1, 0)
        try:
            fcntl.fcntl(self._file, getattr(fcntl, "F_OFD_SETLK", -1), lock)
        except OSError:
            self.locked = False
        else:
            self.locked = True

    def close(self) -> None:
        """Unlock it, and remove it."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _version(said: str) -> str:
    found = re.search(r"^qemu.* version (\S+(?: \([^)]*\))?)", said, re.M | re.I)
    return found[1] if found else "of an unknown version"


def _errno_policy(said: str) -> str:
    """Tell from what a program says of a conflict whether it tells the errno."""
    if found := re.search(r'Failed to get (?:shared )?"[a-z ]+" lock(: .+)?$', said, re.M):
        return "errno" if found[1] else "elided"
    return ""
