# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of QEMU for tests."""

from pathlib import Path

from goldlock.kits.qemu.case import QemuCase
from goldlock.kits.qemu.environment import QemuEnvironment

from tests.case.support import make_environment

NO_QEMU = QemuEnvironment()


def make_case(folder: Path, qemu: QemuEnvironment = NO_QEMU, **variables: str) -> QemuCase:
    """Make a case whose directories are in *folder*; *variables* are some of QEMU's."""
    return QemuCase(make_environment(folder), "", qemu._replace(**variables))
