# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests share."""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from goldlock.kits.qemu.probe import QemuProbe
from goldlock.lockcalls.api import unavailable
from goldlock.suite.programs import Programs

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Let programs that tests start import goldlock, and have SIGINT as a person at a terminal.

    A shell ignores it for what runs behind it. Examples by chance are the same each time, and may
    take any time, as hypothesis has it where CI=true: a machine can be busy anywhere.
    """
    if find_spec("hypothesis"):  # a suite below this folder is run without it
        from hypothesis import settings

        settings.load_profile("ci")
    os.environ["PYTHONPATH"] = str(ROOT / ".import")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what many tests have found out; here, since with ``-n`` no other conftest is loaded."""
    from tests.embedded.figures import write_figures  # once there are results

    write_figures(terminalreporter)


def probe(environ: Mapping[str, str], folder: Path, **chosen: str) -> Programs:
    """Return QEMU's programs, as its kit finds them with these values of its options."""
    default = {"imgfmt": "qcow2", "imgproto": "file", "programs": "auto", "errno_policy": "errno"}
    return QemuProbe(environ, folder, {**default, "imgopts": "", "build": "", **chosen}).programs()


PLUGIN = ("-p", "no:goldlock", "-p", "goldlock.pytest_plugin.entry")
"""What has pytest load goldlock where it is not installed, and not twice after `pip install .`."""

RunTests = Callable[..., "subprocess.CompletedProcess[str]"]


@cache
def _temporary() -> str:
    """Make a folder for what runs leave that fail, or are killed: it goes with the tests."""
    folder = tempfile.mkdtemp(prefix="gl-", dir="/tmp")  # short, for sockets
    Path(folder).chmod(0o777)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def quiet_environment() -> dict[str, str]:
    """Return the environment without what could change what a run says."""
    unwanted = ("CI", "PYTEST_ADDOPTS", "PYTHONPATH", "TEST_DIR", "SOCK_DIR", "COLUMNS")
    known = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**known, "TMPDIR": _temporary()}


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail where the tests have left a process: its folder tells which did."""
    folders = str(tmp_path_factory.getbasetemp()), _temporary()
    yield
    above = {psutil.Process(), *psutil.Process().parents()}
    left = [each for each in {*psutil.process_iter()} - above if _told(each, folders)]
    _, left = psutil.wait_procs(left, timeout=30)  # what was told to end may need a moment
    assert [*filter(None, (_told(each, folders) for each in left))] == []


def _told(process: psutil.Process, folders: Iterable[str]) -> str:
    """Describe a process that is in one of the folders, or has a variable that is about it."""
    with suppress(psutil.Error):  # it has ended, or is another user's
        words = (process.cwd(), *process.environ().values())
        if any(f"{folder}/" in f"{word}/" for folder in folders for word in words):
            return f"{process.cmdline()} (pid {process.pid}), in {process.cwd()}"
    return ""


def need_supervisor() -> None:
    """Skip a test of lock calls where there can be no supervisor: in a container, for one."""
    if reason := unavailable():
        pytest.skip(f"no supervisor of lock calls: {reason}")


@pytest.fixture(scope="session")
def _supervisor() -> None:
    need_supervisor()


def run_to_end(
    line: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    timeout: float | None = None,
    errors: str = "strict",
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end without input; its standard output has all that it prints.

    It has a quiet environment, and these *variables*.
    """
    return subprocess.run(
        line,
        cwd=cwd,
        env={**quiet_environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors=errors,
        check=False,
        timeout=timeout,
    )


@pytest.fixture
def run_tests(tmp_path: Path) -> RunTests:
    """Start run_tests.py like a person; its scratch directory is ``tmp_path / "scratch"``."""

    def start(
        *options: str, python: str = sys.executable, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        line = [python, str(ROOT / "run_tests.py"), *options]
        places = {"TEST_DIR": str(tmp_path / "scratch"), **variables}
        return run_to_end(line, errors="surrogateescape", **places)

    return start


def plain_pytest(
    project: Path,
    *arguments: str,
    suites: str = ".",
    python: str = sys.executable,
    more: str = "",
) -> "subprocess.CompletedProcess[str]":
    """Start pytest in a project that has *suites*, as if goldlock were installed.

    *more* is what else its ``pyproject.toml`` says.
    """
    declared = f"[tool.goldlock]\nsuites = {suites.split()}\n{more}"
    (project / "pyproject.toml").write_text(declared)
    environ = {"PYTHONPATH": str(ROOT / ".import"), "TEST_DIR": str(project.parent / "scratch")}
    return run_to_end([python, "-m", "pytest", *PLUGIN, *arguments], cwd=project, **environ)


@pytest.fixture(scope="session")
def python8() -> str:
    """A Python with pytest 8 and pytest-subtests, set up once, beside the .venv."""
    return set_up("pytest8")


@pytest.fixture(scope="session")
def python_with_plugins() -> str:
    """A Python with the plugins of pytest that people have, set up likewise."""
    return set_up("plugins")


def set_up(name: str) -> str:
    """Make an environment from requirements of that name, unless it is there; return its Python."""
    requirements = ROOT / "tests" / f"requirements-{name}.txt"
    venv = ROOT / f".venv-{name}"
    python, mark = venv / "bin" / "python", venv / "requirements.txt"
    here = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(here, fcntl.LOCK_EX)  # with -n, others want it, too
    if not mark.exists() or mark.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--require-hashes", "-r", requirements], check=True)
        mark.write_text(requirements.read_text())
    os.close(here)
    return str(python)


@pytest.fixture(params=["pytest 9", "pytest 8"])
def any_python(request: pytest.FixtureRequest) -> str:
    """Each Python that has a pytest which goldlock works with."""
    if request.param == "pytest 9":
        return sys.executable
    return str(request.getfixturevalue("python8"))


@pytest.fixture(scope="session")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The real programs; where they are not installed, tests are skipped, but never in CI."""
    programs = probe(os.environ, tmp_path_factory.mktemp("probe"), programs="system")
    if programs.missing:
        reason = "; ".join(programs.missing.values())
        if os.environ.get("CI"):
            pytest.fail(f"CI must have QEMU: {reason}")
        pytest.skip(f"needs a real QEMU: {reason}")
    return programs


@pytest.fixture
def suite(tmp_path: Path) -> "MakeSuite":
    """Make suites of shell and Python cases."""
    return MakeSuite(tmp_path / "suite")


class MakeSuite:
    """A suite that is written file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("cases", "expected"):
            (root / folder).mkdir(parents=True)

    def kit(self, name: str = "qemu") -> None:
        """Give it a kit."""
        (self.root / "suite.toml").write_text(f'kit = "{name}"\n')

    def case(self, name: str, text: str, golden: str | None = None) -> Path:
        """Write a case, with a ``#!`` for the shell if it has none, and its golden.

        A case that speaks of QEMU brings QEMU's kit.
        """
        if "qemu" in text.lower() or "case.image" in text:
            self.kit()
        path = self.root / "cases" / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        if golden is not None:
            (self.root / "expected" / f"{name.split('.', maxsplit=1)[0]}.out").write_text(golden)
        return path
