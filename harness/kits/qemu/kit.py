# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU: its programs, image formats and protocols, as the runner knows them."""

import os
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from goldlock.errors import UsageError, check_known
from goldlock.kits.qemu.environment import VARIABLES
from goldlock.options import Option
from goldlock.suite.kit import Kit
from goldlock.suite.programs import Probe

FORMATS = (
    *("qcow2", "raw", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels", "luks"),
    *("bochs", "cloop", "dmg", "vvfat"),
)
PROTOCOLS = ("file", "rbd", "nbd", "ssh", "nfs", "fuse")
KINDS = ("auto", "system", "embedded")
POLICIES = ("errno", "elided", "none")

_OPTIONS = (
    *("QEMU_OPTIONS", "QEMU_IMG_OPTIONS", "QEMU_IO_OPTIONS", "QEMU_IO_OPTIONS_NO_FMT"),
    *("QEMU_NBD_OPTIONS", "QSD_OPTIONS"),
)
_UTILITIES = ("qemu-system", "qemu-img", "qemu-io", "qemu-nbd")


class QemuKit(Kit):
    """The kit of suites that test QEMU's programs."""

    name = "qemu"
    words: ClassVar = {"formats": FORMATS, "protocols": PROTOCOLS}
    debugged = "qemu-system"
    defaults: ClassVar = {"imgfmt": "qcow2"}
    traits: ClassVar[Sequence[str]] = (*POLICIES, "unlock-retry")
    programs = tuple(VARIABLES)
    requirements: ClassVar = {
        **Kit.requirements,
        "qemu": (*_UTILITIES, "ofd-locks"),
        **{name: (name,) for name in VARIABLES},
    }
    options: ClassVar[Sequence[Option]] = (
        Option("--imgfmt", "image format (default: qcow2)", "FORMAT", words=FORMATS),
        Option(
            "--imgproto",
            "image protocol: only file yet",
            "PROTOCOL",
            default="file",
            words=PROTOCOLS,
        ),
        Option(
            "--imgopts",
            "options for the creation of images, as qemu-img's -o takes them",
            "OPTIONS",
            default="",
            short="-o",
        ),
        Option(
            "--programs",
            "system: the QEMU that is named or on PATH; embedded: goldlock's own; auto: system if"
            " there is one (default)",
            "KIND",
            default="auto",
        ),
        Option(
            "--errno-policy",
            "errno, elided or none: whether embedded programs tell the errno of a lock conflict"
            " (default: errno)",
            "POLICY",
            default="errno",
        ),
        Option("--build", "QEMU's build directory: test its programs", "DIR"),
    )

    def choose(
        self, options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]
    ) -> Mapping[str, str]:
        imgfmt = options.imgfmt if options.imgfmt is not None else self.defaults["imgfmt"]
        check_known("image format", imgfmt, FORMATS)
        check_known("protocol", options.imgproto, PROTOCOLS)
        if options.imgproto != "file":
            raise UsageError(
                f"protocol {options.imgproto} is not served: cases would work on a plain file"
            )
        check_known("kind of programs", options.programs, KINDS)
        check_known("errno policy", options.errno_policy, POLICIES)
        for name in _OPTIONS:
            try:
                shlex.split(environ.get(name, ""))
            except ValueError as error:
                raise UsageError(f"{name}: {str(error).lower()}; write it as for a shell") from None
        # Where a real QEMU is required, ours does not stand in.
        real = any(name.startswith("qemu") for name in options.require.split(","))
        kind = "system" if options.programs == "auto" and real else options.programs
        build = os.path.abspath(options.build) if options.build else ""  # noqa: PTH100 - no need of pathlib here
        if build and not os.path.isdir(build):  # noqa: PTH112 - likewise
            raise UsageError(f"--build {options.build}: no such directory")
        if build and kind == "embedded":
            raise UsageError("--build and --programs embedded: give one of them")
        return {
            "imgfmt": imgfmt,
            "imgproto": options.imgproto,
            "imgopts": options.imgopts or environ.get("IMGOPTS", ""),
            "programs": kind,
            "errno_policy": options.errno_policy,
            "build": build,
        }

    def why_not(self, words: Mapping[str, Sequence[str]], chosen: Mapping[str, str]) -> str:
        if chosen["imgfmt"] not in words.get("formats", FORMATS):
            return f"not for image format {chosen['imgfmt']}"
        if chosen["imgproto"] not in words.get("protocols", PROTOCOLS):
            return f"not for protocol {chosen['imgproto']}"
        return ""

    def probe(self, environ: Mapping[str, str], scratch: Path, chosen: Mapping[str, str]) -> Probe:
        from goldlock.kits.qemu.probe import QemuProbe  # only where a case is to be run

        return QemuProbe(environ, scratch, chosen)


KIT = QemuKit()
