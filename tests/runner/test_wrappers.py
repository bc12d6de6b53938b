# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking inside: commands before the programs, debuggers, and programs as they speak."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from goldlock.command_line import parse
from goldlock.settings import Settings
from goldlock.suite import choices
from goldlock.suite.programs import Programs

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment

HOLDS = """#!/usr/bin/env python3
from goldlock.kits.qemu import Case, run

def main(case: Case) -> None:
    case.make_image(case.image, "1M")
    with case.holder("-drive", f"file={case.image},if=none"):
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)
        case.show_contender_errors("-drive", f"file={case.image},if=none")
    case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)

run(main)
"""
REFUSED = 'Failed to get "write" lock'


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip a test where a tool is not installed, but never in CI."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    skip = bool(missing) and not os.environ.get("CI")
    return pytest.mark.skipif(skip, reason=f"needs {', '.join(missing)}")


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@needs("strace")
def test_the_real_cases_do_not_notice_strace(run_tests: RunTests, qemu: Programs) -> None:
    done = run_tests("153", "182", "--wrap", "strace -f -e trace=fcntl -o LOG")
    assert done.returncode == 0, done.stdout
    found = re.search(r"182 passed; output kept in .*; 5 wrapper logs in (.*)", done.stdout)
    assert found, done.stdout
    logs = sorted(path.name for path in Path(found[1]).iterdir())
    assert logs == ["qemu-img.1", *(f"qemu-system-x86_64.{n}" for n in (1, 2, 3, 4))]
    assert "+++ killed by SIGKILL +++" in (Path(found[1]) / logs[1]).read_text()
    assert "F_OFD_SETLK" in (Path(found[1]) / logs[2]).read_text()


@needs("strace")
def test_killed_below_strace_a_holder_lets_go(
    run_tests: RunTests, suite: MakeSuite, qemu: Programs
) -> None:
    suite.case("1.py", HOLDS)
    done = run_tests("--suite", str(suite.root), "--wrap", "qemu-system=strace -o LOG")
    assert done.stdout.count(REFUSED) == 2  # for the other qemu-io and qemu-system, not the last
    assert "leaked" not in done.stdout


SHOWS = 'set -- ${QEMU_IMG_PROG##*/} "$("$QEMU_IMG_PROG" "a  b" "*")"; echo "$1: $2"'
PRINTS = '#!/bin/sh\nprintf "%s <$WRAPPED> " "${0##*/}" "$@"\n'


def test_any_command_for_one_program_and_cases_in_any_language(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", SHOWS, golden="my-img: my-img <it's $1> a  b <it's $1> * <it's $1>\n")
    suite.case("2", '"$QEMU_IO_PROG"', golden="my-io <> ")
    named = {
        "QEMU_IMG_PROG": program(tmp_path, "my-img", PRINTS),
        "QEMU_IO_PROG": program(tmp_path, "my-io", PRINTS),
    }
    command = 'qemu-img=env WRAPPED="it\'s $1"'
    done = run_tests("--suite", str(suite.root), "--wrap", command, **named)
    assert done.returncode == 0, done.stdout
    assert "kept" not in done.stdout


def test_what_is_for_one_program_goes_before_what_is_for_all(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", '"$QEMU_IMG_PROG"; "$QEMU_IO_PROG"', golden="my-img <one> my-io <all> ")
    named = {
        "QEMU_IMG_PROG": program(tmp_path, "my-img", PRINTS),
        "QEMU_IO_PROG": program(tmp_path, "my-io", PRINTS),
    }
    options = ["--wrap", "qemu-img=env WRAPPED=one", "--wrap", "env WRAPPED=all"]
    done = run_tests("--suite", str(suite.root), *options, **named)
    assert done.returncode == 0, done.stdout


def test_each_start_has_a_log_of_its_own_wherever_test_dir_is(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", 'for n in 1 2 3; do "$QEMU_IMG_PROG" $n; done', golden="")
    tool = program(tmp_path, "tool", '#!/bin/sh\nshift; echo "$*" >"${1#--log=}"\n')
    done = run_tests(
        *("--suite", str(suite.root), "--wrap", f"{tool} -v --log=LOG LOGIN"),
        QEMU_IMG_PROG=program(tmp_path, "img", "#!/bin/sh\n"),
        TEST_DIR=str(tmp_path / "it's a 100% odd $place"),
    )
    found = re.search(r"1 passed; output kept in .*; 3 wrapper logs in (.*)", done.stdout)
    assert found, done.stdout
    texts = [(Path(found[1]) / f"img.{n}").read_text() for n in (1, 2, 3)]
    for number, text in enumerate(texts, start=1):
        assert re.fullmatch(rf"--log=\S+/img.{number} LOGIN \S+/img {number}\n", text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--wrap", "nosuch -o LOG"], "--wrap: no nosuch on PATH; install it first"),
        (["--wrap", ""], "--wrap '': no command; as in --wrap 'strace -f -o LOG'"),
        (["--wrap", "env 'a"], '--wrap "env \'a": no closing quotation; write it as for a shell'),
        (["--wrap", "qemu-oi=env"], "--wrap: unknown program 'qemu-oi'; did you mean 'qemu-io'?"),
        (["--wrap", "env", "--wrap", "env"], "--wrap: two commands for all programs"),
        (["-gdb", "-j", "2"], "--gdb: one case at a time, so not with -j 2"),
        (["-p", "-j", "2"], "--print: one case at a time, so not with -j 2"),
        (["-gdb", "-valgrind"], "--gdb and --valgrind: qemu-system can have one; give one of them"),
        (
            ["-gdb", "--wrap", "env"],
            "--gdb and a --wrap for all programs: qemu-system can have one; give one of them",
        ),
        (["-gdb"], "--gdb: no gdbserver on PATH; install it first"),
        (["-valgrind"], "--valgrind: no valgrind on PATH; install it first"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_before_anything_starts(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, options: list[str], said: str
) -> None:
    suite.case("1", f"echo started >{tmp_path}/started", golden="")
    suite.kit()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "env").symlink_to(str(shutil.which("env")))
    done = run_tests("--suite", str(suite.root), *options, PATH=str(tools))
    assert done.stdout == f"run_tests.py: {said}\n"
    assert done.returncode == 2
    assert not (tmp_path / "started").exists()


def settings(*options: str) -> Settings:
    return choices.settings(parse(options), os.environ, [ROOT])


def test_time_limits_can_be_switched_off() -> None:
    assert settings().limit(None) == 180
    assert settings().limit(5) == 5
    assert settings("--wrap", "env").limit(5) == 5
    assert settings("--time-limit", "0").limit(5) == settings("--time-limit", "0").limit(None) > 1e5


@needs("valgrind", "gdbserver")
def test_debuggers_have_all_the_time_they_want() -> None:
    assert settings("-valgrind").limit(5) > 1e5
    assert settings("-gdb").limit(5) > 1e5


READS_FREED_MEMORY = f"""#!{sys.executable} -IS
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
block = libc.malloc(100)
if sys.argv[1:] != ["good"]:
    libc.free(block)
ctypes.string_at(block, 10)
if sys.argv[1:] == ["killed"]:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@needs("valgrind")
def test_what_valgrind_finds_fails_the_case(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    for number, how in enumerate(("good", "bad", "killed"), start=1):
        suite.case(f"{number}", f'"$QEMU_IMG_PROG" {how}; echo $?')
    bad = program(tmp_path, "qemu-img", READS_FREED_MEMORY)
    options = ("--suite", str(suite.root), "-valgrind", "--programs", "system")
    done = run_tests(*options, "--update", QEMU_IMG_PROG=bad)
    assert "::1 UPDATED" in done.stdout, done.stdout
    assert done.stdout.count("valgrind found errors, see ") == 2
    assert done.stdout.count("Invalid read of size ") >= 2
    assert (suite.root / "expected" / "1.out").read_text() == "0\n"
    assert "3 FAILED" in done.stdout
    assert not (suite.root / "expected" / "2.out").exists()


def test_what_programs_say_is_printed_as_it_comes(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case(
        "1.py",
        "#!/usr/bin/env python3\nfrom goldlock.kits.qemu import Case, run\n"
        "def main(case: Case) -> None:\n    case.log(case.qemu_img('x').stdout[:2])\nrun(main)\n",
        golden="wo\n",
    )
    image = program(tmp_path, "qemu-img", "#!/bin/sh\necho word\n")
    done = run_tests("--suite", str(suite.root), "-p", PYTHONUNBUFFERED="1", QEMU_IMG_PROG=image)
    assert done.returncode == 0, done.stdout
    printed = done.stdout.index(f"$ {image} x\nword\n[exit status 0]\n")
    assert done.stdout.index("collected 1 item") < printed < done.stdout.index("PASSED (1 section")


@needs("gdb", "gdbserver")
def test_gdb_has_each_qemu_system_and_the_case_waits(
    suite: MakeSuite, qemu: Programs, tmp_path: Path
) -> None:
    suite.case("1.py", HOLDS, golden="")
    with socket.create_server(("localhost", 0)) as server:
        where = f"localhost:{server.getsockname()[1]}"
    runner = pexpect.spawn(
        sys.executable,
        [str(ROOT / "run_tests.py"), "--suite", str(suite.root), "-gdb"],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch"), "GDB_OPTIONS": where},
        encoding="utf-8",
        timeout=100,
    )
    attached = []
    for _ in ("holder", "contender"):
        runner.expect_exact(f"case 1 waits for gdb {qemu.paths['qemu-system']} -ex 'target remote")
        runner.expect_exact("Listening on port")
        words = ["gdb", "-nx", "-batch", "-ex", f"target remote {where}", "-ex", "continue"]
        attached.append(
            subprocess.Popen(words, stdin=-3, stdout=subprocess.PIPE, stderr=-2, text=True)
        )
    said = [process.communicate()[0] for process in attached]
    runner.expect(pexpect.EOF)
    shown = str(runner.before)
    assert "Program terminated with signal SIGKILL" in said[0]
    assert "exited with code 01" in said[1]
    assert shown.count(REFUSED) == 2
    assert "Listening" not in shown  # is in no output of the case


NAMED = """#!/usr/bin/env python3
import subprocess
from goldlock import Case, run

def main(case: Case) -> None:
    subprocess.run(["lite", "t.db", "create table t (x)"], check=True)
    with (
        case.start("lite", "t.db", name="A", marker=".print {}") as first,
        case.start("flock", "f", "cat", name="B", locked="f"),
    ):
        first.ask("begin exclusive;")
        case.log(case.locks())

run(main)
"""

NAMED_GOLDEN = """A> begin exclusive;
f: all bytes, exclusive (flock): B (pid PID, holder)
t.db: bytes 1073741824-1073742335, exclusive (POSIX): A (pid PID, holder)
"""


@needs("valgrind")
@pytest.mark.parametrize("option", ["--wrap=env", "--stress", "--valgrind"])
def test_a_declared_program_keeps_its_name_whatever_stands_before_it(
    run_tests: RunTests, suite: MakeSuite, option: str
) -> None:
    """One is a command of two words: a script stands for it, and valgrind is to see beyond that."""
    declared = '[programs.lite]\ncommand = "sqlite3 -batch"\n[programs.flock]\n'
    header = 'needs = ["lite", "flock"]\nfilters = ["holders"]\n'
    (suite.root / "suite.toml").write_text(header + declared)
    suite.case("1.py", NAMED, golden=NAMED_GOLDEN)
    done = run_tests("--suite", str(suite.root), option)
    assert done.returncode == 0, done.stdout
    if option == "--valgrind":
        assert "; 3 wrapper logs in " in done.stdout
