# SPDX-License-Identifier: GPL-2.0-or-later
"""Setting up: from nothing, without a network, and beside what is somebody else's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, run_to_end


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what run_tests.py needs to start; no .venv in it."""
    root = tmp_path / "checkout"
    for folder in (".import", "harness", "filters", "cases", "expected"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, symlinks=True, ignore=ignore)
    for file in ("run_tests.py", "suite.toml"):
        shutil.copy(ROOT / file, root)
    return root


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has none of the packages."""
    venv = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    return str(venv / "bin" / "python")


def start(
    python: str, checkout: Path, *options: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    places = {"TEST_DIR": str(checkout.parent / "scratch"), **variables}
    return run_to_end([python, str(checkout / "run_tests.py"), *options], **places)


def test_it_sets_itself_up_once(checkout: Path, bare_python: str) -> None:
    """Needs the network, or whatever pip is set up to use instead."""
    first = start(bare_python, checkout, "-raw")
    assert first.returncode == 0, first.stdout
    venv = checkout / ".venv"
    lines = first.stdout.split("\n")
    said = f"goldlock: setting up {venv} from {checkout}/harness/requirements.txt, once"
    assert lines[0] == said
    assert re.search(r"^(\d+) cases: \1 not run", first.stdout, re.M)

    second = start(bare_python, checkout, "-raw", PIP_INDEX_URL="http://127.0.0.1:9/")
    assert second.returncode == 0, second.stdout
    assert "setting up" not in second.stdout

    # What was not finished is taken up again.
    (venv / "goldlock-setup.txt").write_text("")
    third = start(bare_python, checkout, "-raw")
    assert third.stdout.startswith(said)
    assert third.returncode == 0, third.stdout


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    return text


def test_without_a_network(checkout: Path, bare_python: str) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    nowhere |= {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    done = start(bare_python, checkout, **nowhere)
    assert done.returncode == 2
    said, *rest = done.stdout.rstrip("\n").split("\n")
    assert said.startswith("goldlock: setting up ")
    (error,) = rest
    assert error.startswith("run_tests.py: cannot set up the packages: ERROR: ")
    assert "with a network, run this again, or install " in error
    assert error.endswith("into an environment of your own, and run this with its Python")


def test_no_setup(checkout: Path, bare_python: str) -> None:
    done = start(bare_python, checkout, "--no-setup")
    assert done.returncode == 2
    error = one_line(done.stdout)
    assert f"{bare_python} has no pytest, and --no-setup was given; install " in error
    assert not (checkout / ".venv").exists()


def test_a_venv_that_somebody_else_made_is_left_alone(checkout: Path, bare_python: str) -> None:
    subprocess.run([bare_python, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    before = sorted(path for path in (checkout / ".venv").rglob("*"))
    done = start(bare_python, checkout)
    assert done.returncode == 2
    assert f"{checkout}/.venv was not made by goldlock, and is not touched" in one_line(done.stdout)
    assert sorted(path for path in (checkout / ".venv").rglob("*")) == before


def test_a_venv_whose_python_is_gone(checkout: Path, bare_python: str) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python-that-was")
    shutil.copy(checkout / "harness" / "requirements.txt", checkout / ".venv/goldlock-setup.txt")
    done = start(bare_python, checkout)
    way_out = f"remove {checkout}/.venv to have it made anew"
    said = f"run_tests.py: {python}: No such file or directory; {way_out}\n"
    assert (done.stdout, done.returncode) == (said, 2)


def test_an_environment_that_has_the_packages_is_used(checkout: Path) -> None:
    done = start(sys.executable, checkout, "-raw", "--no-setup")
    assert done.returncode == 0, done.stdout
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv(checkout: Path, bare_python: str, tmp_path: Path) -> None:
    """As on Debian without python3-venv: the module is there, ensurepip is not."""
    (tmp_path / "broken" / "ensurepip").mkdir(parents=True)
    (tmp_path / "broken" / "ensurepip" / "__main__.py").write_text("import sys; sys.exit('none')")
    (tmp_path / "broken" / "venv.py").write_text(
        "import sys\nsys.exit('The environment was not created: ensurepip is not available')"
    )
    done = start(bare_python, checkout, PYTHONPATH=str(tmp_path / "broken"))
    assert done.returncode == 2
    assert "this Python has no venv (on Debian and Ubuntu: apt install python3-venv)" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_listing_needs_no_packages(checkout: Path, bare_python: str) -> None:
    done = start(bare_python, checkout, "-n", "-g", "quick")
    listed = [line.split("  ")[:2] for line in done.stdout.splitlines()]
    assert listed == [["153", "rw quick lock"], ["182", "rw quick lock"], ["412", "quick lock"]]
    assert done.returncode == 0


def test_an_old_python_is_told(checkout: Path) -> None:
    script = (checkout / "run_tests.py").read_text()
    (checkout / "run_tests.py").write_text(script.replace("(3, 11)", "(99, 0)"))
    done = start(sys.executable, checkout)
    assert done.returncode == 2
    assert "needs Python 3.11 or newer, and this is 3." in one_line(done.stdout)
