# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU's programs can: probed once a run."""

import fcntl
import re
from collections.abc import Mapping
from pathlib import Path

from goldlock import linux
from goldlock.kits.qemu.environment import VARIABLES, QemuEnvironment
from goldlock.kits.qemu.locate import LAUNCHERS, embed, locate, of_build
from goldlock.lockcalls.api import parse_plan, wrap
from goldlock.suite.programs import Programs
from goldlock.suite.question import Question

ERRNO_POLICY_VARIABLE = "GOLDLOCK_ERRNO_POLICY"
"""Tells the embedded programs their errno policy."""

_ARM = ("qemu-system-aarch64", "qemu-system-arm")

_QEMU_IO = "--cache writeback --aio threads"


_POLICIES = {
    "errno": "with errno text",
    "elided": "without errno text",
    "none": "and failures without errno text",
}


class QemuProbe:
    """Finds the programs, and learns their version, accelerator, locks and errno policy.

    They are asked from the start; `programs` waits for their answers. *scratch* is a folder
    on the file system that the cases will use, for an image to lock and for the embedded
    programs. *chosen* has the values of the kit's options, by their names. Only where goldens have
    variants for *traits*, locks are asked about. Raises UsageError as `locate`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        scratch: Path,
        chosen: Mapping[str, str],
        *,
        traits: bool = True,
    ) -> None:
        self._chosen, kind, self._with_traits = chosen, chosen["programs"], traits
        self._environ = environ
        if chosen["build"]:  # and no others, whatever the environment names
            self._paths, self._missing = of_build(chosen["build"])
        else:
            self._paths, self._missing = locate(environ) if kind != "embedded" else ({}, {})
        self._launchers = ""
        if kind == "embedded" or (kind == "auto" and not self._paths):
            self._paths = embed(scratch)
            self._missing = {
                name: f"{name} is not served by the embedded programs"
                for name in VARIABLES.keys() - self._paths.keys()
            }
            self._launchers = str(scratch / LAUNCHERS)
            environ = {**environ, ERRNO_POLICY_VARIABLE: chosen["errno_policy"]}
        self._qemu, qemu_img = self._paths.get("qemu-system"), self._paths.get("qemu-img")
        any_program = next(iter(self._paths.values()), None)
        version = _asked(environ, qemu_img or any_program, "--version")
        accelerators = _asked(environ, self._qemu, "-accel", "help")
        self._image = _LockedImage(scratch)
        filename = str(self._image.path).replace(",", ",,")
        options = f"driver=raw,file.driver=file,file.locking=on,file.filename={filename}"
        asked = qemu_img if traits and self._image.locked else None
        conflict = _asked(environ, asked, "map", "--image-opts", options)
        writes = ("bench", "-w", "-c", "1", "--image-opts", options)
        failure = _asked(environ, *_with_failing_unlock(asked, *writes))
        self._questions = (version, accelerators, conflict, failure)
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
        version, accelerators, said, failed = (each.answer() for each in self._questions)
        self._image.close()
        if self._stopped:
            raise KeyboardInterrupt
        known = accelerators.split()
        missing = dict(self._missing)
        accelerator = next((each for each in ("qtest", "tcg") if each in known), "")
        if self._qemu and not accelerator:
            missing["qemu-system"] = f"{self._qemu} has neither qtest nor tcg (-accel help)"
        if "falling back to POSIX file" in said:
            missing["ofd-locks"] = "OFD locks are not available"
        traits = _traits(said, failed)
        return self._told(_version(version), accelerator, traits, missing)

    def _told(
        self, version: str, accelerator: str, traits: tuple[str, ...], missing: Mapping[str, str]
    ) -> Programs:
        """Return what was learnt as a run, its cases and its reports take it."""
        chosen, paths = self._chosen, self._paths
        passed_on = {n: path for n, path in self._environ.items() if n == "QEMU_MODULE_DIR"}
        policy = traits[0] if traits else ""
        conflicts = _POLICIES.get(policy, "not known")
        heading = [f"goldlock: image format {chosen['imgfmt']}, protocol {chosen['imgproto']}"]
        rows = [("Image format", chosen["imgfmt"]), ("Protocol", chosen["imgproto"])]
        if paths:
            name = "embedded, as QEMU" if self._launchers else "QEMU"
            kind = "embedded, in place of QEMU" if self._launchers else "QEMU"
            accelerated = f"accelerator {accelerator or 'none'}"
            said = f"{name} {version}, {accelerated}"
            if self._with_traits:
                said += f", lock conflicts {conflicts}"
                rows = [("Lock conflicts", conflicts), *rows]
            heading += [f"programs: {said}", *(f"  {n}: {path}" for n, path in paths.items())]
            rows = [("Programs", f"{kind} {version}"), *rows]
        else:
            heading.append("programs: no QEMU found; cases that need it are not run")
            rows = [("Programs", "no QEMU found"), *rows]
        return Programs(
            paths,
            missing,
            traits=traits,
            variables=self._variables(accelerator).to_environ() | passed_on,
            named_by=VARIABLES,
            heading=tuple(heading),
            facts={
                "imgfmt": chosen["imgfmt"],
                "imgproto": chosen["imgproto"],
                "version": version,
                "embedded": bool(self._launchers),
                "accelerator": accelerator,
                "errno_policy": policy,
            },
            rows=tuple(rows),
        )

    def _variables(self, accelerator: str) -> QemuEnvironment:
        """Return what each case is told of the programs, beside where they are."""
        given, imgfmt = self._environ.get, self._chosen["imgfmt"]
        machine = _machine_options(self._qemu or "", accelerator)
        return QemuEnvironment(
            imgfmt=imgfmt,
            imgproto=self._chosen["imgproto"],
            imgopts=self._chosen["imgopts"],
            qemu_options=given("QEMU_OPTIONS", machine),
            qemu_img_options=given("QEMU_IMG_OPTIONS", ""),
            qemu_io_options=given("QEMU_IO_OPTIONS", f"{_QEMU_IO} -f {imgfmt}"),
            qemu_io_options_no_fmt=given("QEMU_IO_OPTIONS_NO_FMT", _QEMU_IO),
            qemu_nbd_options=given("QEMU_NBD_OPTIONS", ""),
            qsd_options=given("QSD_OPTIONS", ""),
            goldlock_errno_policy=self._chosen["errno_policy"],
            goldlock_embedded=self._launchers,
        )


def _machine_options(qemu: str, accelerator: str) -> str:
    """Return the options that each qemu-system is started with."""
    accelerated = {"qtest": " -accel qtest", "tcg": " -accel tcg -S"}.get(accelerator, "")
    # The emulators of ARM have no default machine.
    machine = "-machine virt " if Path(qemu).name in _ARM else ""
    return f"{machine}-nodefaults -display none{accelerated}"


def _asked(environ: Mapping[str, str], program: str | None, *arguments: str) -> Question:
    return Question(environ, [program, *arguments] if program else [])


class _LockedImage:
    """An image that nobody else may read, as its locks say, until it is closed."""

    def __init__(self, scratch: Path) -> None:
        self.path = scratch / "probe"
        self._file = self.path.open("w+b")
        self._file.write(bytes(512))
        self._file.flush()
        # struct flock, for a read lock on byte 200: "I do not share consistent reads".
        lock = linux.flock(fcntl.F_RDLCK, 200, 1)
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


def _with_failing_unlock(program: str | None, *arguments: str) -> list[str]:
    """Return the command line that runs a program which cannot unlock the byte 101."""
    if not program:
        return [""]
    return wrap([program, *arguments], parse_plan("unlock 101 fails with EIO may miss"))


def _traits(conflict: str, failure: str) -> tuple[str, ...]:
    """Tell traits from what a program says of a conflict, and of an unlock that fails beside one.

    Its errno policy is ``errno``: an errno's text follows, always; ``elided``: not at a conflict;
    ``none``: never, so not there, either. ``unlock-retry``: what cannot be unlocked is tried once
    more when the file is closed. Both of the latter are of QEMU up to 5.2.
    """
    found = re.search(r'Failed to get (?:shared )?"[a-z ]+" lock(: .+)?$', conflict, re.M)
    if not found:
        return ()
    warnings = re.findall(r"Failed to unlock byte 101(: .+)?$", failure, re.M)
    retry = ("unlock-retry",) if len(warnings) > _WARNINGS else ()
    if found[1]:
        return ("errno", *retry)
    # Where no call can be made to fail, it is taken for what it is since QEMU 6.0.
    none = ("none",) if "" in warnings else ()
    return (*none, "elided", *retry)


_WARNINGS = 2
"""How often a QEMU since 6.0 warns of the byte: where the open is undone, and at the close."""
