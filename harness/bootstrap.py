# SPDX-License-Identifier: GPL-2.0-or-later
"""Make sure that the packages are there; set up ``.venv`` where they are not.

An environment that has them is used as it is. Only the standard library is used here, and
little of it: this runs before each run.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from goldlock.errors import UsageError

NO_SETUP = "--no-setup"

_MODULES = ("pytest", "pytest_subtests", "pexpect", "deepdiff", "jinja2", "psutil")
_TEST_MODULES = (*_MODULES, "hypothesis", "mypy", "ruff", "setuptools", "xdist", "qemu")

_MARK = "goldlock-setup.txt"
"""A file in a ``.venv`` that was made here: the requirements that it has, once it has them."""


def enter_environment(root: Path, script: Path, arguments: Sequence[str], *, tests: bool) -> None:
    """Return if the packages can be imported; else go on in ``.venv``, made if need be.

    *root* is the checkout, *script* is started again with *arguments* there. With *tests*,
    the packages of the project's own tests are needed, too. Raises UsageError when they
    cannot be had, with what to do.
    """
    modules = _TEST_MODULES if tests else _MODULES
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return
    requirements = root / ("tests" if tests else "harness") / "requirements.txt"
    venv = root / ".venv"
    here = f"{sys.executable} has no {missing[0]}"
    if NO_SETUP in arguments:
        raise UsageError(f"{here}, and {NO_SETUP} was given; {_by_hand(requirements)}")
    if not _ready(venv, requirements):
        with _alone(root):
            if not _ready(venv, requirements):
                _set_up(venv, requirements)
    anew = f"remove {venv} to have it made anew"
    if Path(sys.prefix) == venv:
        raise UsageError(f"{here}, though it was set up; {anew}")
    python = venv / "bin" / "python"
    try:
        os.execv(python, [str(python), str(script), *arguments])
    except OSError as error:  # the Python that it was made with is gone
        raise UsageError(f"{python}: {error.strerror}; {anew}") from None


def _ready(venv: Path, requirements: Path) -> bool:
    """Tell whether *venv* has the requirements, or is somebody else's to look after."""
    try:
        return requirements.read_text() in (venv / _MARK).read_text()
    except FileNotFoundError:
        if not (venv / "pyvenv.cfg").exists():
            return False
    raise UsageError(
        f"{venv} was not made by goldlock, and is not touched; {_by_hand(requirements)},"
        f" or remove {venv}"
    )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time set up; another waits for it, and finds all done."""
    import fcntl  # only to set up

    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: not worth failing for
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _set_up(venv: Path, requirements: Path) -> None:
    print(f"goldlock: setting up {venv} from {requirements}, once", file=sys.stderr, flush=True)  # noqa: T201 - the one line
    mark = venv / _MARK
    try:
        venv.mkdir(exist_ok=True)
        before = mark.read_text() if mark.exists() else ""
        mark.write_text("")  # not ready, but ours, should this be the last that happens
        _run([sys.executable, "-m", "venv", str(venv)], requirements)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-input", "--require-hashes"]
        _run([*pip, "-r", str(requirements)], requirements)
        text = requirements.read_text()
        mark.write_text(text if text in before else before + text)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; {_by_hand(requirements)}") from None


def _run(command: list[str], requirements: Path) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:]
        hint = ""
        if "ensurepip" in done.stdout:
            hint = "; this Python has no venv (on Debian and Ubuntu: apt install python3-venv)"
        raise UsageError(
            f"cannot set up the packages{hint}: {errors[-1] if errors else 'no reason given'};"
            f" with a network, run this again, or {_by_hand(requirements)}"
        )


def _by_hand(requirements: Path) -> str:
    return f"install {requirements} into an environment of your own, and run this with its Python"
