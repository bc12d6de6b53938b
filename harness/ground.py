"""What a run stands on: its scratch directory, and programs that are being probed."""

import shlex
from collections.abc import Mapping

from harness.errors import UsageError
from harness.programs import Probe
from harness.scratch import Scratch
from harness.settings import Settings


class Ground:
    """A scratch directory, and a probe of the programs that answers in its own time.

    Made first of all, since a run has enough to load until the programs have answered.
    Raises UsageError when it cannot be made.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        _check_options(environ)
        self.scratch = Scratch(environ)
        try:
            self.probe = Probe(environ, self.scratch.root, settings.programs, settings.errno_policy)
        except BaseException:
            self.scratch.close()
            raise


def _check_options(environ: Mapping[str, str]) -> None:
    for name in ("QEMU_OPTIONS", "QEMU_IMG_OPTIONS", "QEMU_IO_OPTIONS", "QEMU_NBD_OPTIONS"):
        try:
            shlex.split(environ.get(name, ""))
        except ValueError as error:
            raise UsageError(f"{name}: {str(error).lower()}; write it as for a shell") from None
