"""The programs under test: where they are, and what they can. Probed once a run."""

import fcntl
import os
import platform
import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError

VARIABLES = {
    "qemu-system": "QEMU_PROG",
    "qemu-img": "QEMU_IMG_PROG",
    "qemu-io": "QEMU_IO_PROG",
    "qemu-nbd": "QEMU_NBD_PROG",
}
"""The programs by the names that headers use, and the variables that name their paths."""

PROBE_LIMIT = 20.0
"""Seconds that a program has to tell its version."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs found and what was learnt of them.

    *paths* has the programs that are there. *missing* tells, for a program or an ability
    that a header can need, why it is not. *accelerator* is empty without qemu-system.
    *errno_policy* is ``errno`` where lock messages end in the errno's text on contention,
    ``elided`` where they do not, empty where it could not be learnt.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    accelerator: str = ""
    errno_policy: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def traits(self) -> tuple[str, ...]:
        """Return the traits that a golden's variant can be chosen by."""
        return (self.errno_policy,) if self.errno_policy else ()

    @property
    def options(self) -> str:
        """Return the options that each qemu-system is started with."""
        accelerator = {"qtest": " -accel qtest", "tcg": " -accel tcg -S"}.get(self.accelerator, "")
        return f"-nodefaults -display none{accelerator}"

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


def probe(environ: Mapping[str, str], scratch: Path) -> Programs:
    """Find the programs and learn their version, accelerator, locks and errno policy.

    *scratch* is a folder for an image on the file system that the cases will use.
    """
    paths, missing = locate(environ)
    with ThreadPoolExecutor() as pool:
        version = pool.submit(_version, paths)
        accelerators = pool.submit(_accelerators, paths.get("qemu-system"))
        policy = pool.submit(_errno_policy, paths.get("qemu-img"), scratch)
        locks = pool.submit(_why_no_ofd_locks, paths.get("qemu-img"), scratch)
    accelerator = next((each for each in ("qtest", "tcg") if each in accelerators.result()), "")
    if "qemu-system" in paths and not accelerator:
        missing["qemu-system"] = f"{paths['qemu-system']} has neither qtest nor tcg (-accel help)"
    if reason := locks.result():
        missing["ofd-locks"] = reason
    return Programs(paths, version.result(), accelerator, policy.result(), missing)


def _executable(named: str, variable: str, environ: Mapping[str, str]) -> str:
    found = shutil.which(named, path=environ.get("PATH", os.defpath))
    if found:
        return str(Path(found).absolute())
    state = "is not executable" if Path(named).exists() else "is not there"
    raise UsageError(f"{variable}: {named} {state}; name another program, or unset {variable}")


def _on_path(program: str, path: str) -> str | None:
    names = [program]
    if program == "qemu-system":
        machine = {"i386": "i386", "i686": "i386", "arm64": "aarch64"}.get(
            platform.machine(), platform.machine()
        )
        names = [f"qemu-system-{machine}", "qemu-kvm"]
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _ask(*argv: str) -> str:
    """Return what a program prints, whatever its exit status; raise UsageError if it hangs."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROBE_LIMIT,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{argv[0]} does not answer {argv[1]} in {PROBE_LIMIT:g} s") from None
    except OSError as error:
        raise UsageError(f"{argv[0]} cannot be started: {error.strerror}") from None
    return done.stdout.decode("utf-8", "replace")


def _version(paths: Mapping[str, str]) -> str:
    program = paths.get("qemu-img") or next(iter(paths.values()), None)
    if not program:
        return ""
    said = _ask(program, "--version")
    found = re.search(r"version (\S+(?: \([^)]*\))?)", said)
    return found[1] if found else said.split("\n")[0]


def _accelerators(qemu: str | None) -> list[str]:
    return _ask(qemu, "-accel", "help").split() if qemu else []


def _why_no_ofd_locks(qemu_img: str | None, scratch: Path) -> str | None:
    """Tell why there are no OFD locks here, in the kernel or in the program."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return "this system has no OFD locks"
    if not qemu_img:
        return None
    image = scratch / "probe.ofd"
    image.write_bytes(bytes(512))
    said = _ask(qemu_img, "info", "--image-opts", f"driver=file,locking=on,filename={image}")
    image.unlink()
    return "OFD locks are not available" if "falling back to POSIX file" in said else None


def _errno_policy(qemu_img: str | None, scratch: Path) -> str:
    """Let the program meet a lock of ours, and see whether it tells the errno."""
    if not qemu_img or not hasattr(fcntl, "F_OFD_SETLK"):
        return ""
    image = scratch / "probe.errno"
    with image.open("w+b") as file:
        file.write(bytes(512))
        file.flush()
        # struct flock: "I share no permission" is a read lock on bytes 200 to 203.
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 200, 4, 0)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
        except OSError:
            return ""
        said = _ask(qemu_img, "map", "-f", "raw", str(image))
    image.unlink()
    if found := re.search(r'Failed to get "[a-z ]+" lock(: .+)?$', said, re.M):
        return "errno" if found[1] else "elided"
    return ""
