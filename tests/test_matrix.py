# SPDX-License-Identifier: GPL-2.0-or-later
"""The same cases with several builds: a table of what differs, and who changed it first."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment

CASE = """#!/bin/sh
# needs: qemu-img
printf '== same ==\\n1\\n== other ==\\n'
"$QEMU_IMG_PROG"
"""


def build(folder: Path, says: str) -> Path:
    """Make a build directory with a qemu-img that prints *says*."""
    folder.mkdir()
    program = folder / "qemu-img"
    version = '[ "$1" = --version ] && echo qemu-img version 99.0 && exit'
    program.write_text(f"#!/bin/sh\n{version}\necho '{says}'\n")
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
        "\ncase     one     two     three\n"
        "1        failed  passed  passed\n"
        "passed   0 of 1  1 of 1  1 of 1\n"
        "version  99.0    99.0    99.0\n"
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
        r"1 \[other\] changes with (b\d), in (\d) runs:\n == other ==\n-old\n\+new\n$", done.stdout
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
        (["--matrix", ""], "--matrix '': NAME=DIR; as in --matrix old=~/old,new=~/new"),
        (["--build=b", "--build=c", "--bisect", ""],
         "--bisect takes a case and a section: --bisect '153: Symbolic link'"),
        (["--build=b", "--build=c", "-n"], "-n: not with several builds; run it with one of them"),
        (["--build=b", "--build=c", "--tap=x"],
         "--tap: not with several builds; run it with one of them"),
        (["--matrix", "a=embedded:errno,b=/no/such"], "--build /no/such: no such directory"),
        (["--matrix", "a=embedded:errno,b=embedded:erno"],
         "unknown errno policy 'erno'; did you mean 'errno'? There are: errno, elided, none"),
        (["--build=b", "--build=c", "--html=/dev/null/x"],
         "--html /dev/null/x: cannot be written: Not a directory"),
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


@pytest.mark.parametrize("word", ["2", "002", "002.sh"])
def test_bisect_takes_a_case_by_what_it_is_called(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, word: str
) -> None:
    suite.case("002.sh", CASE)
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests("--suite", str(suite.root), *builds, "--bisect", f"{word}: same")
    assert done.stdout.endswith(f"\n{word} [same] is the same with a and b\n")


def test_a_page_in_the_home_folder(run_tests: RunTests, options: list[str], tmp_path: Path) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests(*options, *builds, "--html=~/page.html", HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_or_is_a_case(
    run_tests: RunTests, suite: MakeSuite, options: list[str], tmp_path: Path
) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests(*options, *builds, "--html=/dev/full")
    said = "run_tests.py: /dev/full: the report cannot be written: No space left on device\n"
    assert done.stdout.endswith(said)
    case = suite.root / "cases" / "1"
    done = run_tests(*options, *builds, f"--html={case}")
    said = f"--html {case}: is for a case, or a golden; name another file"
    assert done.stdout == f"run_tests.py: {said}\n"


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


def test_a_suite_without_a_kit(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", "echo 1", golden="1\n")
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    done = run_tests("--suite", str(suite.root), *builds)
    said = "--build is an option of the kit qemu, which this suite does not have"
    assert done.stdout == f"run_tests.py: {said}\n"
    assert done.returncode == 2


def test_options_for_pytest(
    run_tests: RunTests, suite: MakeSuite, options: list[str], tmp_path: Path
) -> None:
    suite.case("2", CASE, golden="")
    builds = [f"--build={build(tmp_path / name, name)}" for name in ("a", "b")]
    done = run_tests(*options, *builds, "--", "-k", "1")
    assert "\n\ncase     a       b\n1        failed  failed\npassed   0 of 1" in done.stdout
    done = run_tests(*options, *builds, "--bisect", "1: other", "--", "-k", "1")
    assert done.stdout.endswith(" changes with b, in 2 runs:\n == other ==\n-a\n+b\n")


def test_white_space_at_the_end_is_no_difference(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    builds = [f"--build={build(tmp_path / name, 'new')}" for name in ("a", "b")]
    (tmp_path / "b" / "qemu-img").write_text("#!/bin/sh\nprintf 'new \\t'")
    done = run_tests(*options, *builds)
    assert done.stdout.endswith("\n\nall sections are the same with all builds\n")
    (tmp_path / "b" / "qemu-img").write_text("#!/bin/sh\nprintf 'new\\302\\240\\n'")
    done = run_tests(*options, *builds)
    assert "\n1 [other]  A  B!\n" in done.stdout  # as it is to the golden


def test_bisect_to_a_section_that_appears(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    for name, says in (("a", "new"), ("b", "== third ==\nmore")):
        build(tmp_path / name, says)
    matrix = f"one={tmp_path}/a,two={tmp_path}/b"
    done = run_tests(*options, "--matrix", matrix, "--bisect", "1: third")
    assert done.stdout.endswith("1 [third] changes with two, in 2 runs:\n+== third ==\n+more\n")
    assert done.returncode == 0
    matrix = f"one={tmp_path}/b,two={tmp_path}/a"
    done = run_tests(*options, "--matrix", matrix, "--bisect", "1: third")
    assert done.stdout.endswith("1 [third] changes with two, in 2 runs:\n-== third ==\n-more\n")


def test_a_case_that_one_build_cannot_run(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    for name in "abc":
        build(tmp_path / name, name)
    (tmp_path / "b" / "qemu-img").rename(tmp_path / "b" / "qemu-io")
    matrix = f"one={tmp_path}/a,two={tmp_path}/b,three={tmp_path}/c"
    page = tmp_path / "page.html"
    done = run_tests(*options, "--matrix", matrix, "--html", str(page))
    why = f"not run: 1: two: --build {tmp_path}/b has no qemu-img"
    assert "\n1        failed  not run  failed\n" in done.stdout
    assert f"\n\n{why}\n\n" in done.stdout
    assert "\n1 [other]  A!   not run  B!\n" in done.stdout
    assert f"<p>{why}</p>" in page.read_text()
    done = run_tests(*options, "--matrix", matrix, "--bisect", "1: other")
    said = f"case 1 is not run with two: --build {tmp_path}/b has no qemu-img\n"
    assert done.stdout.endswith(f"run_tests.py: {said}")
    assert done.returncode == 2


def test_a_run_that_comes_to_nothing(
    run_tests: RunTests, options: list[str], tmp_path: Path
) -> None:
    matrix = f"one={build(tmp_path / 'a', 'new')},two={tmp_path}/b,three={tmp_path}/a"
    (tmp_path / "b").mkdir()
    done = run_tests(*options, "--matrix", matrix)
    assert "\n1        passed  no run  passed\n" in done.stdout
    assert "\nversion  99.0    -       99.0\n" in done.stdout
    assert f"\nno run: two: --build {tmp_path}/b: none of qemu-system, " in done.stdout
    assert "\nall sections are the same with all builds that have run them\n" in done.stdout
    assert done.returncode == 1


def test_what_is_kept(run_tests: RunTests, options: list[str], tmp_path: Path) -> None:
    builds = [f"--build={build(tmp_path / n, says)}" for n, says in (("a", "new"), ("b", "old"))]
    done = run_tests(*options, *builds)
    (kept,) = re.findall("^1 failed; output kept in (.*)$", done.stdout, re.M)
    (there,) = (tmp_path / "scratch").iterdir()
    assert kept.startswith(str(there))
    assert (there / "1" / "output").read_text().endswith("old\n")
    assert "written:" not in done.stdout


def test_long_titles_are_told_apart(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    long = "x" * 70
    text = f"""
printf '== {long} {{middle}} {long} ==\\n'; "$QEMU_IMG_PROG"
printf '== {long} other {long} ==\\n'; "$QEMU_IMG_PROG"
printf '== short {long} end ==\\n'; "$QEMU_IMG_PROG"
"""
    suite.case("1", text, golden="")
    builds = [f"--build={build(tmp_path / name, name)}" for name in ("a", "b")]
    done = run_tests("--suite", str(suite.root), *builds)
    rows = re.findall(r"^(1 \[.*\]) +A!", done.stdout, re.M)
    assert rows[:2] == [f"1 [{long} {{middle}} {long}]", f"1 [{long} other {long}]"]
    assert re.fullmatch(r"1 \[short x+\.\.\.x+ end\]", rows[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_of_a_build(
    suite: MakeSuite, tmp_path: Path, number: signal.Signals
) -> None:
    ready, temporary = tmp_path / "ready", tmp_path / "temporary"
    os.mkfifo(ready)
    temporary.mkdir()
    suite.case("1", f"# needs: qemu-img\necho > {ready}\nexec sleep 1000", golden="")
    builds = [f"--build={build(tmp_path / name, name)}" for name in ("a", "b")]
    places = {"TMPDIR": str(temporary), "TEST_DIR": str(tmp_path / "scratch")}
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root), *builds],
        env={**quiet_environment(), **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ready.read_text()
    runner.send_signal(number)
    said, _ = runner.communicate()
    assert runner.returncode == 130, said
    assert "Traceback" not in said
    assert "==== b:" not in said
    assert [*temporary.iterdir(), *(tmp_path / "scratch").iterdir()] == []


def test_ctrl_z_stops_the_run_of_a_build_too(suite: MakeSuite, tmp_path: Path) -> None:
    ready, on = tmp_path / "ready", tmp_path / "on"
    os.mkfifo(ready)
    os.mkfifo(on)
    text = f"# needs: qemu-img\necho > {ready}\nread -r line < {on}\necho $line"
    suite.case("1", text, golden="on\n")
    builds = [f"--build={build(tmp_path / name, name)}" for name in ("a", "b")]
    runner = psutil.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root), *builds],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
    )
    ready.read_text()
    (run,) = runner.children()
    runner.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, runner.pid, os.WSTOPPED)
    deadline = time.monotonic() + 60
    while run.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        os.sched_yield()
    runner.send_signal(signal.SIGCONT)
    on.write_text("on\n")
    ready.read_text()  # the run of the other build
    on.write_text("on\n")
    said, _ = runner.communicate()
    assert runner.returncode == 0, said
