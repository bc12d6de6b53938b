# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run stands on: its scratch directory, and programs that are being probed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from goldlock.errors import UsageError
from goldlock.runner import system_calls
from goldlock.runner.scratch import Scratch
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.kit import Kit
from goldlock.suite.probe import DeclaredProbe
from goldlock.suite.programs import Probe, Programs
from goldlock.suite.suite_file import suite_file

if TYPE_CHECKING:
    from goldlock.runner.wrappers import Wrappers


class RunContext:
    """A scratch directory, and for each suite its programs, which answer in their own time.

    Made first of all, with the *cases* that the run is known to have, since a run has enough to
    load until the programs have answered. Raises UsageError when it cannot be made.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], cases: Iterable[Case] = ()
    ) -> None:
        system_calls.require()
        left_out = [f"goldlock: {each}" for each in system_calls.left_out()]
        self._settings = settings
        self._environ = environ
        self._lock = Lock()
        self._kits: dict[str, Probe] = {}
        self._declared: dict[Path, DeclaredProbe] = {}
        self._of_kits: dict[str, Programs | UsageError] = {}
        self._known: dict[Path, tuple[Programs, Programs]] = {}
        self.wrappers, self.print_to = _debugging(settings, environ)
        self.scratch = Scratch(environ)
        self.notes = [*left_out, *self.scratch.cleared]
        """What there is to say at the start, a line each."""
        try:
            self.expect(cases)
        except BaseException:
            self.scratch.close()
            raise

    def expect(self, cases: Iterable[Case]) -> None:
        """Begin to ask the programs that *cases* need, unless that was done."""
        needs: dict[Path, set[str]] = {}
        for case in cases:
            needs.setdefault(case.root, set()).update(case.needs)
        with self._lock:
            for root, names in needs.items():
                self._ask(root, names)

    def programs(self, root: Path) -> Programs:
        """Return the programs of a suite that are expected to be needed, once they have answered.

        The same object until others are. From any thread. Raises UsageError when they do not
        answer, or do not go with the settings.
        """
        with self._lock:
            self._ask(root)
            declared = self._declared[root].programs()
            if root not in self._known or self._known[root][0] is not declared:
                programs = Programs.joined([declared, self._programs_of(suite_file(root).kit)])
                self._check(programs)
                self._known[root] = declared, programs
            return self._known[root][1]

    def programs_of(self, cases: Iterable[Case]) -> Programs:
        """Return the programs of all suites that *cases* are of, as one; as `programs`."""
        self.expect(cases := [*cases])
        return Programs.joined(map(self.programs, dict.fromkeys(case.root for case in cases)))

    def interrupt(self) -> None:
        """End what has not answered; `programs` raises KeyboardInterrupt then.

        From any thread, also a signal handler.
        """
        for probe in (*[*self._kits.values()], *[*self._declared.values()]):
            probe.stop()

    def _ask(self, root: Path, needs: Iterable[str] = ()) -> None:
        file = suite_file(root)
        if file.kit.name not in self._kits:
            chosen = self._settings.of_kits.get(file.kit.name, {})
            probe = file.kit.probe(self._environ, self.scratch.root, chosen)
            self._kits[file.kit.name] = probe
        if root not in self._declared:
            folder = self.scratch.plain / f".programs.{len(self._declared)}"  # no case has a dot
            self._declared[root] = DeclaredProbe(file, self._environ, folder)
        self._declared[root].need(needs)

    def _programs_of(self, kit: Kit) -> Programs:
        if kit.name not in self._of_kits:  # asked once, whatever the answer: others may want it
            try:
                self._of_kits[kit.name] = self._kits[kit.name].programs()
            except UsageError as error:
                self._of_kits[kit.name] = error
        known = self._of_kits[kit.name]
        if isinstance(known, UsageError):
            raise known
        return known

    def _check(self, programs: Programs) -> None:
        settings = self._settings
        if asked := settings.trace_locks or settings.faults:
            from goldlock.lockcalls.api import unavailable  # for those who want it only

            if reason := unavailable():
                flag = "--trace-locks" if asked is True else "--fault"
                raise UsageError(f"{flag}: {reason}")
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

    return Wrappers.of(settings, environ), terminal() if settings.print else ""
