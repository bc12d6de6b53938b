# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run stands on: its scratch directory, and programs that are being probed."""

import os
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from goldlock.errors import UsageError
from goldlock.runner.scratch import Scratch
from goldlock.settings import Settings
from goldlock.suite.kit import every, load
from goldlock.suite.programs import Probe, Programs

if TYPE_CHECKING:
    from goldlock.runner.wrappers import Wrappers


class RunContext:
    """A scratch directory, and for each kit a probe of its programs that answers in its own time.

    Made first of all, with the *kits* that the run is known to need, since a run has enough to
    load until the programs have answered. Raises UsageError when it cannot be made.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], kits: Iterable[str] = ()
    ) -> None:
        _check_system()
        self._settings = settings
        self._environ = environ
        self._lock = Lock()
        self._probes: dict[str, Probe] = {}
        self._programs: dict[str, Programs] = {}
        self.wrappers, self.print_to = _debugging(settings, environ)
        self.scratch = Scratch(environ)
        try:
            for kit in kits:
                self._ask(kit)
        except BaseException:
            self.scratch.close()
            raise

    def programs(self, kit: str) -> Programs:
        """Return the programs of a kit, as soon as they have answered; from any thread.

        Raises UsageError when they do not, or do not go with the settings.
        """
        with self._lock:
            if kit not in self._programs:
                programs = self._ask(kit).programs()
                self._check(programs)
                self._programs[kit] = programs
            return self._programs[kit]

    def interrupt(self) -> None:
        """End what has not answered; `programs` raises KeyboardInterrupt then.

        From any thread, also a signal handler.
        """
        for probe in [*self._probes.values()]:
            probe.stop()

    def _ask(self, kit: str) -> Probe:
        if kit not in self._probes:
            chosen = self._settings.of_kits.get(kit, {})
            self._probes[kit] = load(kit).probe(self._environ, self.scratch.root, chosen)
        return self._probes[kit]

    def _check(self, programs: Programs) -> None:
        settings = self._settings
        if settings.trace_locks:
            from goldlock.lockcalls.api import unavailable  # for those who want it only

            if reason := unavailable():
                raise UsageError(f"--trace-locks: {reason}")
        variant, traits = self._settings.variant, programs.traits
        if variant and variant not in traits:
            raise UsageError(
                f"--variant {variant}: not a trait of the programs under test,"
                f" which have {', '.join(traits) or 'none'}"
            )


def _debugging(settings: Settings, environ: Mapping[str, str]) -> "tuple[Wrappers | None, str]":
    """Return what stands before programs, and a file to show in what they say as it comes.

    That is the terminal, as long as it is standard error: before pytest captures that.
    """
    has_wrappers = settings.wrap or settings.gdb or settings.valgrind or settings.stress
    if not (has_wrappers or settings.print):
        return None, ""
    from goldlock.runner.wrappers import Wrappers, terminal  # only for those who debug

    programs = [program for kit in every() for program in kit.programs]
    wrappers = Wrappers.of(settings, environ, programs)
    return wrappers, terminal() if settings.print else ""


def _check_system() -> None:
    """Raise UsageError where a case could not be waited for: Linux before 5.3, some sandboxes."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        why = f"{error.strerror}; it takes Linux 5.3 or later, and a sandbox that allows it"
        raise UsageError(f"pidfd_open(2) is refused here: {why}") from None
