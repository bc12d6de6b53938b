# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person gets wrong, or has no right to: one clear line, exit status 2, no traceback."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from goldlock import __version__, command_line
from goldlock.__main__ import HELPERS

from tests.conftest import PLUGIN, ROOT, MakeSuite, RunTests, plain_pytest, quiet_environment

_NO_PRIVILEGE = "-dac_override,-dac_read_search"
"""What root reads all files by."""


def goldlock(
    *words: str, before: str = ":", module: str = "goldlock", **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command in a shell, after what *before* says, as one who may not read all files."""
    as_others = ["setpriv", f"--bounding-set={_NO_PRIVILEGE}"] if not os.geteuid() else []
    script = f'{before}; exec "$0" -m {module} "$@"'
    return subprocess.run(
        [*as_others, "sh", "-c", script, sys.executable, *words],
        env={**quiet_environment(), "PYTHONPATH": str(ROOT / ".import"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(done: "subprocess.CompletedProcess[str]", said: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("goldlock")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.fixture
def closed(suite: MakeSuite) -> Iterator[MakeSuite]:
    """A suite whose folders get back their modes."""
    suite.case("1", "echo a", golden="a\n")
    yield suite
    for path in (suite.root, suite.root / "cases"):
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("folder", "mode", "said"),
    [
        ("cases", 0, "/cases: Permission denied"),
        ("cases", 0o400, "/cases/1: Permission denied"),
        (".", 0, "/cases: Permission denied"),
    ],
)
def test_a_suite_that_may_not_be_read(closed: MakeSuite, folder: str, mode: int, said: str) -> None:
    (closed.root / folder).chmod(mode)
    refused(goldlock("--suite", str(closed.root)), said)


def test_a_project_whose_suite_may_not_be_read(closed: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["suite"]\n')
    closed.root.chmod(0)
    refused(goldlock(before=f"cd {tmp_path}"), "suite: no such suite")


@pytest.mark.parametrize("name", ["a[1]", "a::b"])
def test_a_path_that_pytest_does_not_take(tmp_path: Path, name: str) -> None:
    """As it is written where one test of a file is meant; from below, it is not needed."""
    suite = MakeSuite(tmp_path / name)
    suite.case("1", "echo a", golden="a\n")
    said = "takes no path with '[' or '::' in it; start it from a folder below that"
    refused(goldlock("--suite", str(suite.root), before=f"cd {tmp_path}"), said)
    assert goldlock("--suite", ".", before=f"cd '{suite.root}'").returncode == 0


@pytest.mark.parametrize(
    ("last", "said"),
    [("rmdir .", "the current folder: No such"), ("chmod 0 .", "no cases/ and no pyproject.toml")],
)
def test_nowhere(tmp_path: Path, last: str, said: str) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    refused(goldlock(before=f"cd {folder}; {last} 2>/dev/null || rmdir {folder}"), said)


@pytest.mark.parametrize(
    "words",
    [
        ["locks", "."],
        ["wait", "--exists", "x"],
        ["faults", "lock 1 of a fails with EIO", "--", "true"],
    ],
)
def test_commands_nowhere(tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = goldlock(*words, before=f"cd {folder}; rmdir {folder}")
    refused(done, f"goldlock {words[0]}: the current folder: No such file or directory")


@pytest.mark.parametrize("mode", [0, 0o400])
def test_cases_that_bare_pytest_may_not_read(closed: MakeSuite, tmp_path: Path, mode: int) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["suite"]\n')
    (closed.root / "cases").chmod(mode)
    done = goldlock(*PLUGIN, module="pytest", before=f"cd {tmp_path}")
    assert (done.returncode, done.stdout) == (4, ""), done
    assert done.stderr == f"ERROR: {closed.root}/cases: Permission denied\n\n"


def test_locks_of_a_kit_that_is_none(tmp_path: Path) -> None:
    done = goldlock("locks", str(tmp_path), GOLDLOCK_KIT="foo")
    refused(done, "goldlock locks: GOLDLOCK_KIT: no kit has the name foo")


def test_locks_that_cannot_be_printed(tmp_path: Path) -> None:
    held = f"cd {tmp_path}; exec 9>a; flock 9; exec >/dev/full"
    refused(goldlock("locks", ".", before=held), "goldlock locks: standard output: No space left")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("mkfifo suite.toml", "suite.toml: is a FIFO, not a file"),
        ("ln -s /no/where suite.toml", "suite.toml: No such file or directory"),
        ("ln -s /dev/null suite.toml", "suite.toml: is a character device, not a file"),
        ("mkdir suite.toml", "suite.toml: is a directory, not a file"),
        ("printf '\\nkit = \"\"' >suite.toml", "suite.toml:2: kit takes a name, such as 'qemu'"),
        ("printf '\\377' >suite.toml", "suite.toml: 'utf-8' codec can't decode"),
        ("yes '[' | head -n 9999 | sed '1s/^/a = /' >suite.toml", "suite.toml: nested too deep"),
    ],
)
def test_a_suite_toml_that_is_none(
    run_tests: RunTests, suite: MakeSuite, make: str, said: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    subprocess.run(make, shell=True, cwd=suite.root, check=True)
    done = run_tests("--suite", str(suite.root))
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    assert said in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tool = 'goldlock'", "pyproject.toml: no suites in [tool.goldlock]"),
        ("[tool]\ngoldlock = 1", "pyproject.toml: tool.goldlock is a table"),
        (f"[tool.goldlock]\na = {'[' * 9999}", "pyproject.toml: maximum recursion depth"),
    ],
)
def test_a_pyproject_toml_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    refused(goldlock(before=f"cd {tmp_path}"), said)


def test_a_suite_toml_may_be_a_link(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "# formats: qcow2", golden="")
    suite.kit()
    (suite.root / "suite.toml").rename(suite.root / "its.toml")
    (suite.root / "suite.toml").symlink_to("its.toml")
    assert run_tests("--suite", str(suite.root), "-n").returncode == 0


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--build", "/nowhere"], "--build"),
        (["--programs", "embedded"], "--programs"),
        (["--errno-policy", "foo"], "--errno-policy"),
        (["-raw"], "--imgfmt"),
        (["--imgproto", "nbd"], "--imgproto"),
        (["-o", "size=1"], "--imgopts"),
    ],
)
def test_options_of_a_kit_that_the_suite_does_not_have(
    run_tests: RunTests, suite: MakeSuite, words: list[str], flag: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), *words)
    said = f"{flag} is an option of the kit qemu, which this suite does not have"
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {said}\n")


@pytest.mark.parametrize("words", [["--gdb"], ["--wrap", "env"], ["--valgrind"]])
def test_nothing_to_put_a_command_before(
    run_tests: RunTests, suite: MakeSuite, words: list[str]
) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), *words)
    said = f"{words[0]} stands before programs, and this suite declares no program:"
    way_out = "[programs.NAME] in its suite.toml does"
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {said} {way_out}\n")


def test_such_an_option_by_pytests_name(suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = plain_pytest(suite.root, "--goldlock-build=/nowhere")
    said = "--goldlock-build is an option of the kit qemu, which this suite does not have"
    assert (done.returncode, said in done.stdout) == (4, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variant", "elided"], "unknown trait 'elided'; there are: none"),
        (
            ["--require", "qemu-img"],
            "unknown requirement 'qemu-img'; there are: ofd-locks, faults, lock-files, orders",
        ),
        (["-qcow2", "-j", "0"], "--jobs must be at least 1, or auto, not 0"),
    ],
)
def test_names_that_only_a_kit_knows(
    run_tests: RunTests, suite: MakeSuite, words: list[str], said: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), *words)
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {said}\n")


@pytest.mark.parametrize(
    ("kit", "word", "near"),
    [
        ("", "--imgfm", ""),
        ("", "-bohcs", ""),
        ("qemu", "--imgfm", "; did you mean '--imgfmt'?"),
        ("qemu", "-bohcs", "; did you mean '-bochs'?"),
    ],
)
def test_no_option_is_meant_that_the_suite_does_not_have(
    run_tests: RunTests, suite: MakeSuite, kit: str, word: str, near: str
) -> None:
    if kit:
        suite.kit(kit)
    done = run_tests("--suite", str(suite.root), word)
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: unknown option {word!r}{near}\n")


@pytest.mark.parametrize("header", ["formats: raw", "protocols: file"])
def test_a_header_of_a_kit_that_the_suite_does_not_have(
    run_tests: RunTests, suite: MakeSuite, header: str
) -> None:
    suite.case("1", f"# {header}\necho a", golden="a\n")
    done = run_tests("--suite", str(suite.root))
    key = header.partition(":")[0]
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    assert f"cases/1:2: '{key}' is of the kit qemu, which this suite does not have" in done.stdout


def test_a_path_as_long_as_can_be(run_tests: RunTests, tmp_path: Path) -> None:
    """What still fits is run; beyond that it is one line, not that of each file that does not."""
    root = tmp_path
    while (room := 3950 - len(os.fsencode(root)) - 1) > 250:
        root /= "d" * 200
    for length, status in ((room, 0), (room + 1, 2)):
        suite = MakeSuite(root / ("s" * length))
        suite.case("1", "echo one", golden="one\n")
        done = run_tests("--suite", str(suite.root))
        assert done.returncode == status, done.stdout
        assert "too long" not in done.stdout
    assert (
        done.stdout == f"run_tests.py: {suite.root}: the path of a suite has at most 3950 bytes\n"
    )


def test_a_slip_in_the_name_of_a_command(tmp_path: Path) -> None:
    refused(
        goldlock("fautls", before=f"cd {tmp_path}"),
        "goldlock: neither a case nor a command: 'fautls'; did you mean 'faults'?",
    )


def test_a_case_whose_name_is_nearly_that_of_a_command(suite: MakeSuite) -> None:
    suite.case("fault", "# needs: flokc\n")
    path = f"{suite.root}/cases/fault"
    refused(goldlock("--suite", str(suite.root), "fault"), f"goldlock: {path}:2: unknown word in")
    suite.case("fault", "echo a\n", golden="a\n")
    missing = "goldlock: unknown case 'steps'; -n lists them"
    refused(goldlock("--suite", str(suite.root), "fault", "steps"), missing)


def test_a_helper_that_is_taken_for_a_case(suite: MakeSuite) -> None:
    suite.case("1", "")
    path = suite.root / "cases" / "wait.sh"
    path.write_text("sleep 1\n")
    said = f"goldlock: {path}: no case: one with a name can be executed, begins with #!"
    refused(goldlock(str(path)), said)


def test_the_help_names_the_commands_each_of_which_has_one() -> None:
    said = goldlock("--help").stdout
    for name in HELPERS:
        assert f"  goldlock {name} " in said
        done = goldlock(name, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"goldlock {name}" in done.stdout or f"goldlock.{name}" in done.stdout
        assert goldlock(name, "--version").stdout == f"goldlock {__version__}\n"
    assert command_line.HELPERS.keys() == HELPERS.keys()
    assert "QSD_PROG" in said


def test_without_pytest_xdist(suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", "echo a", golden="a\n")
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'xdist' else found(name, *rest)\n"
    )
    done = goldlock(
        "--suite", str(suite.root), "--", "-n", "2", PYTHONPATH=f"{tmp_path}:{ROOT / '.import'}"
    )
    refused(done, "-- -n: is an option of pytest-xdist, which is not installed; -j N runs N cases")


@pytest.mark.parametrize("name", ["a \U0001f512", "a\nb", "a\x7f\\", "\x9b"])
def test_a_new_suite_is_declared_in_toml(tmp_path: Path, name: str) -> None:
    done = goldlock("--new", name, before=f"cd {tmp_path}; touch pyproject.toml")
    line = next(line for line in done.stdout.splitlines() if "suites =" in line)
    assert tomllib.loads(line.strip()) == {"suites": [name]}


def test_no_suite_is_made_in_a_project_that_cannot_be_read(tmp_path: Path) -> None:
    done = goldlock("--new", "a", before=f"cd {tmp_path}; echo '[tool.goldlock' >pyproject.toml")
    refused(done, "pyproject.toml: Expected")
    assert not (tmp_path / "a").exists()


def test_a_title_that_the_terminal_cannot_show(suite: MakeSuite) -> None:
    suite.case("1", "# The caf\xe9 is locked.", golden="")
    done = goldlock("--suite", str(suite.root), "-n", PYTHONIOENCODING="ascii")
    assert (done.stdout, done.returncode) == ("1    The caf\\xe9 is locked.\n", 0)


@pytest.mark.parametrize("option", ["--tap", "--html", "--json-lines"])
@pytest.mark.parametrize("place", ["cases/1", "expected/1.out"])
def test_a_report_takes_no_place_of_a_case_or_golden(
    suite: MakeSuite, option: str, place: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    before = (suite.root / place).read_text()
    done = goldlock(option, place, before=f"cd {suite.root}")
    refused(done, f"{option} {place}: is for a case, or a golden; name another file")
    assert (suite.root / place).read_text() == before


def test_an_option_by_the_name_that_pytest_has_for_it(suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="b\n")
    done = goldlock("--suite", str(suite.root), "--", "--goldlock-update")
    refused(done, "-- --goldlock-update: is --update here, and stands before --")


def test_a_failure_that_stops_a_run_is_no_interruption(suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="b\n")
    done = goldlock("--suite", str(suite.root), "--", "--stepwise")
    assert done.returncode == 1, done.stdout


def test_suites_outside_of_a_project_are_named(suite: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "project" / "own" / "cases").mkdir(parents=True)
    declared = "suites = ['own', '../suite']"
    before = f"cd {tmp_path}/project; printf '[tool.goldlock]\n{declared}' >pyproject.toml"
    refused(
        goldlock(before=before.replace("'own', '../suite'", '"own", "../suite"')), "own, ../suite"
    )


def test_what_to_type_for_a_new_suite_is_quoted(tmp_path: Path) -> None:
    done = goldlock("--new", 'a "suite"', before=f"cd {tmp_path}; touch pyproject.toml")
    assert "\n    goldlock --suite 'a \"suite\"'\n" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "suites =" in line)
    assert tomllib.loads(line.strip()) == {"suites": ['a "suite"']}
