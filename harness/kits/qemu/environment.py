# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case of QEMU's is told beside `goldlock.environment`, in the same way.

The names are those of qemu-iotests wherever it has one.
"""

import shlex
from collections.abc import Mapping
from typing import NamedTuple

VARIABLES = {
    "qemu-system": "QEMU_PROG",
    "qemu-img": "QEMU_IMG_PROG",
    "qemu-io": "QEMU_IO_PROG",
    "qemu-nbd": "QEMU_NBD_PROG",
    "qemu-storage-daemon": "QSD_PROG",
}
"""The programs by the names that headers use, and the variables that name their paths."""


class QemuEnvironment(NamedTuple):
    """The variables of all cases of a run.

    A program's path is empty where there is none. ``*_options`` are words of a command line as a
    shell writes them; ``qemu_io_options_no_fmt`` are for a qemu-io with ``--image-opts``, which
    takes no format. ``imgopts`` are options for the creation of images. ``errno_policy`` is for
    the embedded programs, ``embedded`` the folder that they are started from, empty where others
    are under test.
    """

    imgfmt: str = "qcow2"
    imgproto: str = "file"
    qemu_prog: str = ""
    qemu_img_prog: str = ""
    qemu_io_prog: str = ""
    qemu_nbd_prog: str = ""
    qsd_prog: str = ""
    imgopts: str = ""
    qemu_options: str = ""
    qemu_img_options: str = ""
    qemu_io_options: str = ""
    qemu_io_options_no_fmt: str = ""
    qemu_nbd_options: str = ""
    qsd_options: str = ""
    goldlock_errno_policy: str = "errno"
    goldlock_embedded: str = ""

    def to_environ(self) -> dict[str, str]:
        """Return the environment variables that carry this record."""
        return {name.upper(): value for name, value in self._asdict().items()}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "QemuEnvironment":
        """Read the record; what is not set has its default."""
        return cls(**{n: environ[n.upper()] for n in cls._fields if n.upper() in environ})

    def qemu_io_without_format(self) -> list[str]:
        """Return the path of qemu-io, and its options for images that are named by theirs."""
        return [self.qemu_io_prog, *shlex.split(self.qemu_io_options_no_fmt)]

    def command(self, program: str) -> list[str]:
        """Return the path and the options of *program*: ``qemu``, ``qemu_io``, ..."""
        values = self._asdict()
        return [values[f"{program}_prog"], *shlex.split(values[f"{program}_options"])]
