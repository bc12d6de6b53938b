"""From a case to its verdict: directories and variables before, cleaning up after."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness import golden
from harness.environment import Environment
from harness.errors import UsageError
from harness.execute import command_line, execute
from harness.judge import State, Verdict, judge
from harness.programs import Programs, probe
from harness.settings import Settings
from harness.suite import Case

ROOT = Path(__file__).resolve().parent.parent
"""The folder that `harness` and `filters` are imported from."""

SOCKET_ROOM = 70
"""Characters of SOCK_DIR at most: the kernel allows 107 for a socket's whole path."""

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "QEMU_MODULE_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS")
"""What a case sees of the caller's environment; no locale, HOME or git configuration."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run: its verdict, and the directory that was kept, if any.

    *log* is what its programs were told and said, before any filter, if that was asked for.
    """

    verdict: Verdict
    seconds: float
    kept: Path | None
    log: str


class Runner:
    """Runs cases with one set of settings and programs, in one scratch directory."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self._environ = environ
        self._kept = False

    @cached_property
    def scratch(self) -> Path:
        """The directory of all that this run writes, under TEST_DIR or the system's own."""
        base = Path(self._environ.get("TEST_DIR") or tempfile.gettempdir()).absolute()
        base.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="goldlock-", dir=base))

    @cached_property
    def _sockets(self) -> Path:
        base = self._environ.get("SOCK_DIR")
        if base:
            Path(base).mkdir(parents=True, exist_ok=True)
        elif len(str(self.scratch)) <= SOCKET_ROOM - 10:
            return self.scratch
        return Path(tempfile.mkdtemp(prefix="goldlock-", dir=base or "/tmp"))

    @cached_property
    def programs(self) -> Programs:
        """The programs under test, probed once."""
        return probe(self._environ, self.scratch)

    def check(self) -> None:
        """Probe the programs; raise UsageError when they do not go with the settings."""
        traits = self.programs.traits
        if self.settings.variant and self.settings.variant not in traits:
            raise UsageError(
                f"--variant {self.settings.variant}: not a trait of the programs under test,"
                f" which have {', '.join(traits) or 'none'}"
            )

    def why_not(self, case: Case) -> tuple[str, bool]:
        """Return why a case cannot be run here (empty: it can), and whether it was required."""
        if case.formats and self.settings.imgfmt not in case.formats:
            return f"not for image format {self.settings.imgfmt}", False
        if case.protocols and self.settings.imgproto not in case.protocols:
            return f"not for protocol {self.settings.imgproto}", False
        for need in case.needs:
            if reason := self.programs.why_not(need):
                return reason, need in self.settings.require
        return "", False

    def run(self, case: Case) -> Ran:
        """Run a case and judge it. Its directory stays when it failed, or on request."""
        directory = self.scratch / case.number
        sockets = self._sockets / case.number / "s"
        home = directory / "home"
        test = directory / "test"
        for path in (test, home, sockets):
            path.mkdir(parents=True)
        reference = golden.choose(
            case.path.parent.parent / "expected",
            case.number,
            self.programs.traits,
            self.settings.variant,
        )
        environ = self._environment(case, directory, test, sockets).to_environ()
        try:
            transcript = execute(
                command_line(case.path),
                {**self._surroundings(home), **environ},
                test,
                directory / "output",
                case.timeout or self.settings.time_limit,
            )
        except OSError as error:
            verdict = Verdict(reference, problems=[_cannot_start(case.path, error)])
            seconds = 0.0
        else:
            verdict = judge(transcript, reference, self.settings)
            seconds = transcript.seconds
        raw = directory / "log"
        show = self.settings.show_commands and raw.exists()
        log = raw.read_text("utf-8", "replace") if show else ""
        keep = verdict.state is State.FAIL or self.settings.keep
        self._kept |= keep
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(
            sockets.parent if self._sockets != self.scratch else sockets, ignore_errors=True
        )
        return Ran(verdict, seconds, directory if keep else None, log)

    def close(self) -> None:
        """Remove the scratch directories, but for what is kept."""
        if "scratch" not in self.__dict__:
            return
        if self._sockets != self.scratch:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if not self._kept:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _environment(self, case: Case, directory: Path, test: Path, sockets: Path) -> Environment:
        paths = self.programs.paths
        given = self._environ.get
        return Environment(
            goldlock_case=case.number,
            test_dir=str(test),
            sock_dir=str(sockets),
            imgfmt=self.settings.imgfmt,
            imgproto=self.settings.imgproto,
            qemu_prog=paths.get("qemu-system", ""),
            qemu_img_prog=paths.get("qemu-img", ""),
            qemu_io_prog=paths.get("qemu-io", ""),
            qemu_nbd_prog=paths.get("qemu-nbd", ""),
            qemu_options=given("QEMU_OPTIONS", self.programs.options),
            qemu_img_options=given("QEMU_IMG_OPTIONS", ""),
            qemu_io_options=given(
                "QEMU_IO_OPTIONS",
                f"--cache writeback --aio threads -f {self.settings.imgfmt}",
            ),
            qemu_nbd_options=given("QEMU_NBD_OPTIONS", ""),
            goldlock_log=str(directory / "log"),
            goldlock_commands=str(directory / "commands"),
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


def _cannot_start(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: not executable; chmod +x it"
    return f"{path}: cannot be started: {error.strerror}; has its first line a #! that is there?"
