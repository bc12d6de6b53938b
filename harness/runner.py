"""From a case to its verdict: directories and variables before, cleaning up after."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from harness import golden
from harness.environment import Environment
from harness.errors import UsageError
from harness.execute import Interrupt, command_line, execute
from harness.ground import Ground
from harness.judge import SITUATION, State, Verdict, judge
from harness.programs import ROOT, Programs
from harness.scratch import Directories, Scratch
from harness.settings import Settings
from harness.suite import Case

LOG, LOCKS = "log", "locks"
"""Files of a case's directory: what programs were told and said, and their lock calls."""

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "QEMU_MODULE_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS")
"""What a case sees of the caller's environment; no locale, HOME or git configuration."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run, or could not be: its verdict, and the directory that was kept.

    *log* is what was asked for: what its programs were told and said, before any filter, and
    their lock calls.
    """

    verdict: Verdict
    seconds: float = 0.0
    kept: Path | None = None
    log: str = ""


class Runner:
    """Runs cases with one set of settings and programs, in one scratch directory.

    Any thread may run cases; the programs are probed by the first that needs them.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], ground: Ground | None = None
    ) -> None:
        self.settings = settings
        self._environ = environ
        self._lock = Lock()
        self._ground = ground
        self._programs: Programs | None = None
        self._interrupt = Interrupt()

    def prepare(self) -> tuple[Scratch, Programs]:
        """Make the scratch directory and probe the programs, once.

        Raises UsageError when that cannot be, or the programs do not go with the settings.
        """
        with self._lock:
            ground = self._ground = self._ground or Ground(self.settings, self._environ)
            if not self._programs:
                programs = ground.probe.programs()
                self._check(programs)
                self._programs = programs
            return ground.scratch, self._programs

    @property
    def programs(self) -> Programs:
        """The programs under test."""
        return self.prepare()[1]

    def run(self, case: Case) -> Ran:
        """Run a case and judge it. Its directory stays when it failed, or on request.

        Raises UsageError as `prepare` does, and KeyboardInterrupt after `interrupt`.
        """
        if self._interrupt.is_set:
            raise KeyboardInterrupt
        scratch, programs = self.prepare()
        reference = golden.choose(
            case.path.parent.parent / "expected",
            case.number,
            programs.traits,
            self.settings.variant,
        )
        if verdict := self._not_here(case, programs, reference):
            return Ran(verdict)
        directories = scratch.directories(case.number)
        keep = self.settings.keep
        try:
            verdict, seconds = self._execute(case, programs, directories, reference)
            keep |= verdict.state is State.FAIL
            log = self._shown(directories)
        finally:
            scratch.done(directories, keep=keep)
        return Ran(verdict, seconds, directories.top if keep else None, log)

    def interrupt(self) -> None:
        """End the cases that are running, and let no other start."""
        self._interrupt.set()

    def close(self) -> None:
        """Remove the scratch directories, but for what is kept. No case may be running."""
        if self._ground:
            self._ground.scratch.close()

    def _shown(self, directories: Directories) -> str:
        asked = [(LOG, self.settings.show_commands), (LOCKS, self.settings.trace_locks)]
        files = [directories.top / name for name, wanted in asked if wanted]
        return "".join(file.read_text("utf-8", "replace") for file in files if file.exists())

    def _check(self, programs: Programs) -> None:
        if self.settings.trace_locks and (reason := _why_no_faults()):
            raise UsageError(f"--trace-locks: {reason}")
        variant, traits = self.settings.variant, programs.traits
        if variant and variant not in traits:
            raise UsageError(
                f"--variant {variant}: not a trait of the programs under test,"
                f" which have {', '.join(traits) or 'none'}"
            )

    def _not_here(self, case: Case, programs: Programs, reference: Path) -> Verdict | None:
        """Return the verdict on a case that cannot be run here; None when it can."""
        if case.formats and self.settings.imgfmt not in case.formats:
            return Verdict(reference, reason=f"not for image format {self.settings.imgfmt}")
        if case.protocols and self.settings.imgproto not in case.protocols:
            return Verdict(reference, reason=f"not for protocol {self.settings.imgproto}")
        for need in case.needs:
            reason = _why_no_faults() if need == "faults" else programs.why_not(need)
            if reason:
                required = need in self.settings.require
                problem = f"case {case.number} must run (--require): {reason}"
                return Verdict(reference, reason=reason, problems=[problem] if required else [])
        return None

    def _execute(
        self, case: Case, programs: Programs, directories: Directories, reference: Path
    ) -> tuple[Verdict, float]:
        environ = self._environment(case, programs, directories).to_environ()
        argv = command_line(case.path)
        if "faults" in case.needs or self.settings.trace_locks:
            from harness.faults.api import wrap  # as in _why_no_faults

            argv = wrap(argv, trace=directories.top / LOCKS)
        try:
            transcript = execute(
                argv,
                {**self._surroundings(directories.home), **environ},
                directories.test,
                directories.top / "output",
                case.timeout or self.settings.time_limit,
                self._interrupt,
            )
        except OSError as error:
            return Verdict(reference, problems=[_cannot_start(case.path, error)]), 0.0
        return judge(transcript, reference, self.settings), transcript.seconds

    def _environment(self, case: Case, programs: Programs, directories: Directories) -> Environment:
        paths = programs.paths
        given = self._environ.get
        return Environment(
            goldlock_case=case.number,
            test_dir=str(directories.test),
            sock_dir=str(directories.sockets),
            imgfmt=self.settings.imgfmt,
            imgproto=self.settings.imgproto,
            qemu_prog=paths.get("qemu-system", ""),
            qemu_img_prog=paths.get("qemu-img", ""),
            qemu_io_prog=paths.get("qemu-io", ""),
            qemu_nbd_prog=paths.get("qemu-nbd", ""),
            qemu_options=given("QEMU_OPTIONS", programs.options),
            qemu_img_options=given("QEMU_IMG_OPTIONS", ""),
            qemu_io_options=given(
                "QEMU_IO_OPTIONS",
                f"--cache writeback --aio threads -f {self.settings.imgfmt}",
            ),
            qemu_nbd_options=given("QEMU_NBD_OPTIONS", ""),
            goldlock_errno_policy=self.settings.errno_policy,
            goldlock_log=str(directories.top / LOG),
            goldlock_commands=str(directories.top / "commands"),
            goldlock_situation=str(directories.top / SITUATION),
        )

    def _surroundings(self, home: Path) -> dict[str, str]:
        """Return the variables of any process in a case, the same for every caller."""
        passed_on = {name: self._environ[name] for name in _PASSED_ON if name in self._environ}
        return {
            "PATH": os.defpath,
            **passed_on,
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": str(home),
            "TMPDIR": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
        }


def _why_no_faults() -> str | None:
    from harness.faults.api import unavailable  # for those who want it only

    return unavailable()


def _cannot_start(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: not executable; chmod +x it"
    with path.open("rb") as file:
        first = file.readline(200)
    why = (
        "its first line ends in a carriage return"
        if first.endswith(b"\r\n")
        else ("has its first line a #! that is there?")
    )
    return f"{path}: cannot be started: {error.strerror}; {why}"
