# SPDX-License-Identifier: GPL-2.0-or-later
"""The same cases with several builds: a table of what differs, and who changed it first."""

import re
from pathlib import Path

import pytest

from tests.conftest import MakeSuite, RunTests

CASE = """#!/bin/sh
# needs: qemu-img
printf '== same ==\\n1\\n== other ==\\n'
"$QEMU_IMG_PROG"
"""


def build(folder: Path, says: str) -> Path:
    """Make a build directory with a qemu-img that prints *says*."""
    folder.mkdir()
    program = folder / "qemu-img"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return folder


@pytest.fixture
def options(suite: MakeSuite) -> list[str]:
    suite.case("1", CASE, golden="== same ==\n1\n== other ==\nnew\n")
    return ["--suite", str(suite.root)]


def test_a_build_goes_before_what_the_environment_names(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    ours, other = build(tmp_path / "ours", "new"), build(tmp_path / "other", "old")
    done = run_tests(*options, f"--build={ours}", QEMU_IMG_PROG=f"{other}/qemu-img")
    assert f"qemu-img: {ours}/qemu-img" in done.stdout
    assert done.returncode == 0


def test_what_a_build_lacks_is_missing(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "# needs: qemu-io\n$QEMU_IO_PROG", golden="")
    ours, other = build(tmp_path / "ours", "new"), build(tmp_path / "other", "old")
    (other / "qemu-img").rename(other / "qemu-io")
    done = run_tests("--suite", str(suite.root), f"--build={ours}", PATH=f"{other}:/usr/bin:/bin")
    assert f"not run: 1: --build {ours} has no qemu-io\n" in done.stdout
    assert done.returncode == 0


def test_a_table_has_the_sections_that_differ(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    for name, says in (("a", "old"), ("b", "new"), ("c", "new")):
        build(tmp_path / name, says)
    page = tmp_path / "page.html"
    matrix = f"one={tmp_path}/a,two={tmp_path}/b,three={tmp_path}/c"
    done = run_tests(*options, "--matrix", matrix, "--html", str(page))
    table = done.stdout[done.stdout.index("\ncase  ") :]
    assert table == (
        "\ncase  one     two     three\n"
        "1     failed  passed  passed\n"
        "\n"
        "section    one  two  three\n"
        "1 [other]  A!   B    B\n"
        "\n"
        "the same letter: the same output; -: no such section; !: not as in the golden\n"
    )
    assert done.returncode == 1
    assert re.search(
        'class="minus">-old</span>.*class="plus">\\+new</span>', page.read_text(), re.S
    )


def test_builds_that_print_the_same(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests(*options, *builds)
    assert done.stdout.endswith("\n\nall sections are the same with all builds\n")
    assert done.returncode == 0


@pytest.mark.parametrize("first", [1, 3, 7])
def test_bisect_finds_the_first_that_changes_a_section(
    run_tests: RunTests, options: list[str], tmp_path: Path, first: int
) -> None:
    folders = [build(tmp_path / f"b{n}", "new" if n >= first else "old") for n in range(8)]
    matrix = ",".join(f"{folder.name}={folder}" for folder in folders)
    done = run_tests(*options, "--matrix", matrix, "--bisect", "1: other")
    found = re.search(
        r"1 \[other\] changes with (b\d), in (\d) runs:\n- old\n\+ new\n$", done.stdout
    )
    assert found
    assert found[1] == f"b{first}"
    assert int(found[2]) <= 2 + 3  # both ends, and log2 of eight between them
    assert done.returncode == 0


def test_bisect_of_what_does_not_change(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests(*options, *builds, "--bisect", "1: same")
    assert done.stdout.endswith("\n1 [same] is the same with a and b\n")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--matrix", "a"], "--matrix 'a': NAME=DIR; as in --matrix old=~/old,new=~/new"),
        (["--matrix", "a=b"], "--matrix and --bisect take two builds or more"),
        (["--matrix", "a=b,a=c"], "two builds have the same name: a, a"),
        (["--build=b", "--build=c", "--update"],
         "--update: not with several builds; run it with one of them"),
        (["--build=b", "--build=c", "--bisect", "1"],
         "--bisect takes a case and a section: --bisect '153: Symbolic link'"),
    ],
)  # fmt: skip
def test_what_cannot_be(run_tests: RunTests, words: list[str], said: str) -> None:
    done = run_tests(*words)
    assert done.stdout == f"run_tests.py: {said}\n"
    assert done.returncode == 2


def test_a_section_that_is_not_there(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests(*options, *builds, "--bisect", "1: othr")
    said = (
        "run_tests.py: case 1 has no section 'othr'; did you mean 'other'? There are: same, other\n"
    )
    assert done.stdout.endswith(said)
    assert done.returncode == 2
