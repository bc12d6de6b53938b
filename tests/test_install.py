# SPDX-License-Identifier: GPL-2.0-or-later
"""What pip installs: one import name, one command, and all that they need."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, MakeSuite, quiet_environment, run_to_end

BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])('.'))"
"""What pip does with a checkout, less to fetch setuptools."""

Goldlock = Callable[..., "subprocess.CompletedProcess[str]"]


def build(what: str, folder: Path) -> Path:
    """Build a ``wheel`` or an ``sdist`` in a copy of the sources; return its path."""
    command = [sys.executable, "-c", BUILD, f"build_{what}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / done.stdout.split("\n")[-2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the source distribution builds, as a packager's machine does it."""
    checkout, unpacked = (tmp_path_factory.mktemp(name) for name in ("checkout", "unpacked"))
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    for name in listing.stdout.decode().splitlines():
        if not name.startswith("tests/") and (ROOT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name, follow_symlinks=False)
    subprocess.run(["tar", "-xf", build("sdist", checkout), "-C", unpacked], check=True)
    (sources,) = unpacked.iterdir()
    return build("wheel", sources)


@pytest.fixture(scope="session")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with goldlock in it; what it needs is taken from that of the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    site_packages(folder).joinpath("tests.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def site_packages(venv: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))


@pytest.fixture
def goldlock(venv: Path, tmp_path: Path) -> Goldlock:
    """Start the installed command, in a folder that has nothing to do with it."""
    here = tmp_path / "elsewhere"
    here.mkdir()

    def start(
        *options: str, cwd: Path = here, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        places = {"TEST_DIR": str(tmp_path / "scratch"), **variables}
        return run_to_end([venv / "bin" / "goldlock", *options], cwd=cwd, **places)

    return start


def test_the_wheel_has_one_import_name_and_all_of_its_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if not name.partition("/")[0].endswith("info")}
    assert {name.partition("/")[0] for name in there} == {"goldlock"}
    folders = {
        "harness": "goldlock",
        "filters": "goldlock/filters",
        "cases": "goldlock/suites/qemu/cases",
        "expected": "goldlock/suites/qemu/expected",
    }
    listing = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, capture_output=True, check=True
    )
    for name in listing.stdout.decode().splitlines():
        top, _, rest = name.partition("/")
        if (ROOT / name).is_file() and not name.endswith((".md", "requirements.txt")):
            assert f"{folders[top]}/{rest}" in there


def test_a_foreign_suite_runs_in_a_foreign_folder(goldlock: Goldlock, suite: MakeSuite) -> None:
    """Also with helpers beside its cases that are called as goldlock's own folders are."""
    suite.case("001.sh", "# needs: ofd-locks\necho hello", "hello\n")
    for name in ("filters", "harness", "options"):
        (suite.root / "cases" / f"{name}.py").write_text(f"NAME = 'my {name}'\n")
    suite.case(
        "002.py",
        "#!/usr/bin/env python3\nimport filters, harness, options\n"
        "from goldlock import Case, run\nfrom goldlock.filters import text\n"
        "def main(case: Case) -> None:\n"
        "    case.log(f'{filters.NAME} {harness.NAME} {options.NAME} {text.__name__}')\n"
        "run(main)\n",
    )
    first = goldlock("--suite", str(suite.root), "--update")
    assert first.returncode == 0, first.stdout
    assert "my filters" in (suite.root / "expected" / "002.out").read_text()
    done = goldlock("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
    assert "2 cases: 2 passed" in done.stdout


def test_a_report_and_a_case_say_what_to_type(
    goldlock: Goldlock, suite: MakeSuite, tmp_path: Path
) -> None:
    script = (
        "#!/usr/bin/env python3\nfrom goldlock import run\ndef main(case): print(1)\nrun(main)\n"
    )
    case = suite.case("001.py", script)
    done = goldlock("--suite", str(suite.root), "--html", str(tmp_path / "page.html"))
    assert done.returncode == 1, done.stdout
    page = (tmp_path / "page.html").read_text()
    assert f"<code>goldlock --suite {suite.root} 001</code>" in page
    assert "run_tests.py" not in page
    by_hand = subprocess.run([sys.executable, case], capture_output=True, text=True, check=False)
    assert "is not set: a case is started by goldlock, not by hand" in by_hand.stderr


@pytest.mark.usefixtures("_supervisor")
def test_cases_find_the_command(goldlock: Goldlock, suite: MakeSuite) -> None:
    """It is that which runs them, with nothing else on PATH."""
    suite.case("001.sh", "printf 'b\\na\\n' | goldlock filter unordered", "~ a\n~ b\n")
    suite.case(
        "002.sh",
        "touch typing.py; goldlock locks; goldlock faults --check >&-; echo $?",
        "nobody holds a lock\n0\n",
    )
    suite.case("003.sh", "goldlock wait --exists .; goldlock show -- echo a", "$ echo a\na\n")
    done = goldlock("--suite", str(suite.root), PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stdout


def test_the_command_says_what_it_is(goldlock: Goldlock) -> None:
    version = goldlock("--version").stdout
    assert version.startswith("goldlock ")
    assert version.count("\n") == 1
    said = goldlock("--help").stdout
    assert said.startswith("usage: goldlock [OPTION ...]")
    assert "goldlock -- -k 153" in said
    assert "--self-test" not in said
    assert "run_tests.py" not in said


def test_qemus_suite_comes_along(goldlock: Goldlock, venv: Path) -> None:
    def files() -> dict[Path, float]:
        found = (site_packages(venv) / "goldlock").rglob("*")
        return {path: path.stat().st_mtime for path in found if "__pycache__" not in path.parts}

    before = files()
    done = goldlock("--suite", "qemu", "--programs", "embedded", "182", HOME=str(venv))
    assert done.returncode == 0, done.stdout
    assert "1 case: 1 passed" in done.stdout
    assert files() == before


@pytest.mark.real
@pytest.mark.usefixtures("qemu")
def test_a_build_of_qemu_is_tested(goldlock: Goldlock, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    for name in ("qemu-system-x86_64", "qemu-img", "qemu-io", "qemu-nbd"):
        (tmp_path / "build" / name).symlink_to(shutil.which(name) or "/")
    done = goldlock(
        "--suite", "qemu", "--build", str(tmp_path / "build"), "182", HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stdout
    assert f"qemu-img: {tmp_path}/build/qemu-img" in done.stdout


def test_a_project_names_its_suite(goldlock: Goldlock, suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("001.sh", "echo hello", "hello\n")
    (tmp_path / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["suite"]\n')
    (tmp_path / "src").mkdir()
    done = goldlock(cwd=tmp_path / "src")
    assert done.returncode == 0, done.stdout
    assert "1 case: 1 passed" in done.stdout


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        ("", "no suites in [tool.goldlock]; name one with --suite DIR, or make one:"),
        (
            "[tool.goldlock]\nsuite = 1",
            "unknown key 'suite' in [tool.goldlock]; did you mean 'suites'?",
        ),
        ("[tool.goldlock]\nsuites = 1", "takes a list of folders"),
        ('[tool.goldlock]\nsuites = ["locks"]', "locks: no such suite"),
        ("[tool.goldlock", "pyproject.toml: "),
    ],
)
def test_what_a_project_gets_wrong_is_told(
    goldlock: Goldlock, tmp_path: Path, pyproject: str, said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(pyproject)
    done = goldlock(cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"goldlock: {tmp_path}/pyproject.toml")


def test_a_new_suite_passes_at_once(goldlock: Goldlock, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    made = goldlock("--new", "tests/locks", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    assert '    [tool.goldlock]\n    suites = ["tests/locks"]\n' in made.stdout
    assert goldlock("--suite", "tests/locks", cwd=tmp_path).returncode == 0
    (tmp_path / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["tests/locks"]\n')
    done = goldlock(cwd=tmp_path)
    assert "1 case: 1 passed; 2 sections, 0 differ" in done.stdout

    again = goldlock("--new", "tests/locks", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stdout == (
        "goldlock: --new tests/locks: is not empty; name a folder that is not there\n"
    )
    more = goldlock("--new", "tests/more", cwd=tmp_path)
    assert '    suites = ["tests/locks", "tests/more"]\n' in more.stdout
    beside = goldlock("--new", "tests/other", "001", cwd=tmp_path)
    assert beside.stdout == "goldlock: --new makes a suite, runs nothing, and takes no cases\n"


def test_nothing_here(goldlock: Goldlock) -> None:
    done = goldlock()
    assert done.returncode == 2
    assert "no cases/ and no pyproject.toml here; name one with --suite DIR" in done.stdout


def test_nothing_of_the_checkout_is_needed(venv: Path) -> None:
    code = "import goldlock; print(goldlock.IMPORTED_FROM)"
    done = subprocess.run(
        [venv / "bin" / "python", "-c", code],
        env=quiet_environment(),
        cwd=os.sep,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == site_packages(venv)


@pytest.fixture
def crowd(wheel: Path, python_with_plugins: str, tmp_path: Path) -> Goldlock:
    """Start a module in a project with tests, cases and many plugins of pytest."""
    installed, project = tmp_path / "installed", tmp_path / "project"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", installed, wheel], check=True)
    made = MakeSuite(project / "tests" / "locks")
    made.case("001.sh", "echo one", "one\n")
    made.case("002.sh", "sleep 0.5; echo two", "two\n")
    tests = (
        "def test_own() -> None: pass\ndef test_syrupy(snapshot) -> None: assert 1 == snapshot\n"
    )
    (project / "tests" / "test_own.py").write_text(tests)
    (project / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["tests/locks"]\n')
    environ = {"PYTHONPATH": str(installed), "TEST_DIR": str(tmp_path / "scratch")}

    def start(*words: str) -> "subprocess.CompletedProcess[str]":
        return run_to_end([python_with_plugins, "-m", *words], cwd=project, **environ)

    start("pytest", "-q", "--snapshot-update", "tests/test_own.py")
    return start


REPORTS = ("html", "tap", "junit-xml", "json-lines", "gitlab-report")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--html=theirs.html", "--self-contained-html", "--junit-xml=theirs.xml"),
        ("--tap-combined", *(f"--goldlock-{name}={name}" for name in REPORTS)),
        ("-n", "2", "--cov=.", "--html=theirs.html", "--goldlock-html=ours.html"),
        ("--timeout=60", "--reruns=2", "-p", "no:cacheprovider", "-rA"),
    ],
    ids=" ".join,
)
def test_bare_pytest_among_other_plugins(crowd: Goldlock, options: tuple[str, ...]) -> None:
    done = crowd("pytest", *options)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert "2 cases: 2 passed" in done.stdout


def test_bare_pytest_streams_tap(crowd: Goldlock) -> None:
    done = crowd("pytest", "--tap")
    assert done.returncode == 0
    for name in ("locks/cases/001.sh::001", "locks/cases/002.sh::002", "test_own.py::test_own"):
        assert re.search(rf"^ok \d+ tests/{name}$", done.stdout, re.M), done.stdout


def test_repeated_tests_leave_cases_as_they_are(crowd: Goldlock) -> None:
    """--goldlock-repeat repeats those."""
    done = crowd("pytest", "--count=2", "-k", "own or 001", "--deselect", "tests/x")
    assert "1 case: 1 passed" in done.stdout


def test_a_case_takes_longer_than_pytest_timeout_allows(crowd: Goldlock, tmp_path: Path) -> None:
    (tmp_path / "project/tests/locks/cases/002.sh").write_text("#!/bin/sh\nsleep 1000\n")
    done = crowd("pytest", "--timeout=5", "tests/locks")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "Timeout (>5.0s) from pytest-timeout" in done.stdout
    assert "INTERNALERROR" not in done.stdout


@pytest.mark.parametrize(
    "options",
    [(), tuple(f"--{name}={name}" for name in REPORTS), ("--", "-n", "2", "--html=theirs.html")],
    ids=" ".join,
)
def test_the_command_among_other_plugins(crowd: Goldlock, options: tuple[str, ...]) -> None:
    done = crowd("goldlock", *options)
    assert done.returncode == 0, done.stdout
    assert "2 cases: 2 passed" in done.stdout
