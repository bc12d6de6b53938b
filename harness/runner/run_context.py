# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run stands on: its scratch directory, and programs that are being probed."""

import shlex
from collections.abc import Mapping
from threading import Lock

from goldlock.errors import UsageError
from goldlock.runner.scratch import Scratch
from goldlock.settings import Settings
from goldlock.suite.programs import Probe, Programs


class Ground:
    """A scratch directory, and a probe of the programs that answers in its own time.

    Made first of all, since a run has enough to load until the programs have answered.
    Raises UsageError when it cannot be made.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        _check_options(environ)
        self._settings = settings
        self._lock = Lock()
        self._programs: Programs | None = None
        self.scratch = Scratch(environ)
        try:
            self._probe = Probe(
                environ, self.scratch.root, settings.programs, settings.errno_policy
            )
        except BaseException:
            self.scratch.close()
            raise

    def programs(self) -> Programs:
        """Return the programs under test, as soon as they have answered; from any thread.

        Raises UsageError when they do not, or do not go with the settings.
        """
        with self._lock:
            if not self._programs:
                programs = self._probe.programs()
                self._check(programs)
                self._programs = programs
            return self._programs

    def interrupt(self) -> None:
        """End what has not answered; `programs` raises KeyboardInterrupt then.

        From any thread, also a signal handler.
        """
        self._probe.stop()

    def _check(self, programs: Programs) -> None:
        settings = self._settings
        asked = {"--trace-locks": settings.trace_locks, "--watch-files": settings.watch_files}
        for option in (option for option, given in asked.items() if given):
            from goldlock.lockcalls.api import unavailable  # for those who want it only

            if reason := unavailable():
                raise UsageError(f"{option}: {reason}")
        variant, traits = self._settings.variant, programs.traits
        if variant and variant not in traits:
            raise UsageError(
                f"--variant {variant}: not a trait of the programs under test,"
                f" which have {', '.join(traits) or 'none'}"
            )


def _check_options(environ: Mapping[str, str]) -> None:
    for name in ("QEMU_OPTIONS", "QEMU_IMG_OPTIONS", "QEMU_IO_OPTIONS", "QEMU_NBD_OPTIONS"):
        try:
            shlex.split(environ.get(name, ""))
        except ValueError as error:
            raise UsageError(f"{name}: {str(error).lower()}; write it as for a shell") from None
