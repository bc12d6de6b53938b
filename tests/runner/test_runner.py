# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as a person sees it: directories, variables, programs, real cases."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import psutil
import pytest
from goldlock.runner.scheduler import Scheduler
from goldlock.settings import Settings
from goldlock.suite.cases import read_suite
from goldlock.suite.programs import Programs

from tests.conftest import ROOT, MakeSuite, RunTests, plain_pytest, probe, quiet_environment
from tests.runner.test_stale_runs import has_ended

SHOW_ALL = (
    'env | sort; echo "cwd $PWD"; ls -A "$TEST_DIR" "$SOCK_DIR" "$HOME"; read x || echo no input'
)


def test_what_a_case_sees_of_its_caller(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", SHOW_ALL)
    hostile = {"LANG": "de_DE.UTF-8", "HOME": "/root", "GIT_DIR": "/x", "EDITOR": "vi"}
    done = run_tests("--suite", str(suite.root), "--keep", **hostile)
    output = re.search(r"output kept in (\S+)", done.stdout)
    assert output, done.stdout
    lines = Path(output[1]).read_text().splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    assert set(seen) - {"_", "SHLVL", "OLDPWD"} <= {
        *("PATH", "PWD", "LC_ALL", "TZ", "HOME", "TMPDIR", "PYTHON", "PYTHONPATH", "PYTHONUTF8"),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "LD_LIBRARY_PATH"),
        *("TEST_DIR", "SOCK_DIR", "IMGFMT", "IMGPROTO", "GOLDLOCK_CASE", "GOLDLOCK_LOG"),
        *(
            "GOLDLOCK_KIT",
            "GOLDLOCK_NOT_SERVED",
            "GOLDLOCK_PRINT",
            "GOLDLOCK_WRAPPED",
            "GOLDLOCK_EMBEDDED",
            "GOLDLOCK_ERRNO_POLICY",
            "GOLDLOCK_RUN",
            "GOLDLOCK_SERIAL",
            "GOLDLOCK_SHIMS",
            "GOLDLOCK_FAILURE_REPORT",
            "GOLDLOCK_STACK_DUMP",
            "QEMU_PROG",
            "QEMU_IMG_PROG",
            "QEMU_IO_PROG",
            "QEMU_NBD_PROG",
        ),
        *("QEMU_OPTIONS", "QEMU_IMG_OPTIONS", "QEMU_IO_OPTIONS", "QEMU_NBD_OPTIONS"),
    }
    assert seen["HOME"] != "/root"
    assert seen["LC_ALL"] == "C"
    assert f"cwd {seen['TEST_DIR']}" in lines
    assert lines[-1] == "no input"
    assert len(seen["SOCK_DIR"]) <= 75


def test_a_case_has_its_standard_files_and_no_others(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "ls /proc/self/fd | tr '\\n' ' '", golden="0 1 2 3 \n")  # 3 is that of ls
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


SHELL = """\
cd "$TEST_DIR"; touch f
{ pwd; pwd -P; realpath f; readlink /proc/self/cwd; } |
    "$PYTHON" -m goldlock.filters directory "$TEST_DIR" TEST_DIR
"""
PYTHON = """\
import os
import re
from goldlock import Case, run
def main(case: Case) -> None:
    case.log(os.getcwd(), case.paths)
    case.log(os.path.realpath(case.test_dir), case.paths)
    case.log(os.environ["PWD"], case.paths)
run(main)
"""


@pytest.mark.parametrize("name", ["real", "link", "a blank", "it's [a] link.*", "link/deeper"])
def test_a_case_knows_its_directory_by_each_of_its_names(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, name: str
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "it's [a] link.*").symlink_to("real")
    suite.case("1.sh", SHELL, "TEST_DIR\nTEST_DIR\nTEST_DIR/f\nTEST_DIR\n")
    suite.case("2.py", f"#!/usr/bin/env python3\n{PYTHON}", "TEST_DIR\n" * 3)
    done = run_tests("--suite", str(suite.root), TEST_DIR=str(tmp_path / name))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["plain", "with blank", "a,b", "it's", "re(g).*[e]x$", "deep/" * 30]
)
def test_any_test_dir_will_do(suite: MakeSuite, tmp_path: Path, name: str) -> None:
    """Sockets fit, though the kernel allows 107 characters for their paths."""
    script = (
        "import socket\nfrom goldlock.kits.qemu import Case, run\n"
        "def main(case: Case) -> None:\n"
        "    case.log(case.image, case.paths, case.format)\n"
        "    socket.socket(socket.AF_UNIX).bind(case.sock_dir + '/' + 30 * 's')\n"
        "run(main)\n"
    )
    suite.case("1.py", f"#!/usr/bin/env python3\n{script}", golden="TEST_DIR/t.IMGFMT\n")
    base = tmp_path / name
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={**quiet_environment(), "TEST_DIR": str(base)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert list(base.iterdir()) == []


def test_directories_stay_only_where_there_is_something_to_see(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo right; touch $TEST_DIR/image", golden="right\n")
    suite.case("2", "echo wrong; touch $TEST_DIR/image", golden="right\n")
    assert run_tests("--suite", str(suite.root)).returncode == 1
    (scratch,) = (tmp_path / "scratch").iterdir()
    assert [path.name for path in scratch.iterdir() if path.name != ".qemu"] == ["2"]
    assert (scratch / "2" / "output").read_text() == "wrong\n"
    assert (scratch / "2" / "test" / "image").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(
    suite: MakeSuite, tmp_path: Path, number: signal.Signals
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    suite.case("1", f"echo $$ >{fifo}; sleep 1000 & wait", golden="")
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    case = psutil.Process(int(fifo.read_text()))
    family = [case, *case.children(recursive=True)]
    runner.send_signal(number)
    said, _ = runner.communicate()
    assert runner.returncode == 130, said
    assert not any(process.is_running() for process in family)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_interrupted_run_names_goldens_that_it_has_not_shown(
    suite: MakeSuite, tmp_path: Path
) -> None:
    """Those of cases that were ahead of the one that is waited for."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    suite.case("1", "sleep 1000 & wait", golden="")
    suite.case("2", "echo new", golden="old\n")
    suite.case("3", f"echo >{fifo}; sleep 1000 & wait", golden="")
    runner = subprocess.Popen(
        [sys.executable, ROOT / "run_tests.py", "--suite", suite.root, "-j2", "--update", "--once"],
        env=quiet_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    fifo.read_text()  # 3 runs where 2 has ended
    runner.send_signal(signal.SIGINT)
    said, _ = runner.communicate()
    assert "not finished: 1 3 interrupted; 2 updated, and not shown\n" in said, said


def test_who_left_what_behind_when_two_run_at_a_time(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    """A daemon that has no environment is not 2's, which ends while 1, whose it is, runs."""
    for name in ("ready", "two", "one", "never"):
        os.mkfifo(tmp_path / name)
    daemon = f"sh -c 'echo now >{tmp_path}/ready; read -r line <{tmp_path}/never'"
    suite.case(
        "1",
        f"env -i PATH=$PATH setsid {daemon} >/dev/null 2>&1 &\n"
        f"read -r line <{tmp_path}/ready\n"
        f"echo go >{tmp_path}/two\nread -r line <{tmp_path}/one",
        golden="",
    )
    suite.case("2", f"read -r line <{tmp_path}/two", golden="")
    suite.case("3", f"echo go >{tmp_path}/one", golden="")  # starts when 2 was looked after
    done = run_tests("--suite", str(suite.root), "-j", "2", "--time-limit", "20")
    assert "::2 PASSED" in done.stdout
    assert done.stdout.count("leaked: sh -c 'echo now") == 1


def test_a_process_of_a_plugin_is_none_of_a_case(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo a", golden="a\n")
    plugin = tmp_path / "plug.py"
    plugin.write_text(
        "import subprocess\n"
        "def pytest_collection_modifyitems(config):\n"
        "    command = ['sh', '-c', 'read line']\n"
        "    config.helper = subprocess.Popen(command, stdin=-1, start_new_session=True)\n"
        "def pytest_unconfigure(config):\n"
        "    config.helper.communicate(b'done\\n')\n"
        "    print('the helper ended with', config.helper.returncode)\n"
    )
    done = run_tests("--suite", str(suite.root), "--", "-p", "plug", PYTHONPATH=str(tmp_path))
    assert "the helper ended with 0" in done.stdout
    assert done.returncode == 0, done.stdout


def test_a_signal_to_its_group_is_for_one_case(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    up, gone = tmp_path / "up", tmp_path / "gone"
    for path in (up, gone):
        os.mkfifo(path)
    suite.case("1", f"exec 3>{gone}; read x <{up}; kill -TERM 0; echo one", golden="one\n")
    suite.case("2", f"exec 4<{gone}; echo up >{up}; read x <&4; echo two", golden="two\n")
    done = run_tests("--suite", str(suite.root), "-j2")
    assert "SIGTERM: the case did not come to its end" in done.stdout
    assert "2 cases: 1 passed, 1 failed" in done.stdout


def test_a_case_that_is_stopped_is_told_to_end(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", f"trap 'echo bye >{tmp_path}/bye; exit 1' TERM\nkill -STOP $$", golden="")
    done = run_tests("--suite", str(suite.root), "--time-limit", "5")
    assert done.returncode == 1, done.stdout
    assert (tmp_path / "bye").read_text() == "bye\n"


def test_a_case_has_no_terminal(suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", "(: </dev/tty) 2>/dev/null && echo one || echo none", golden="none\n")
    words = [str(ROOT / "run_tests.py"), "--suite", str(suite.root)]
    environ = {**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")}
    runner = pexpect.spawn(sys.executable, words, env=environ, encoding="utf-8", timeout=100)
    runner.expect(pexpect.EOF)
    assert "1 case: 1 passed" in str(runner.before)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('rm "$TEST_DIR/../output"; mkfifo "$TEST_DIR/../output"; echo a', "::1 PASSED"),
        ('rm -r "${TEST_DIR%/test}"; echo a', "::1 PASSED"),
        ("echo a; kill -37 $$", "signal 37: the case did not come to its end"),
        ("printf '== \\033[31mred ==\\n'", "DIFFERS [\\x1b[31mred]"),
    ],
)
def test_cases_that_misbehave(
    run_tests: RunTests, suite: MakeSuite, script: str, said: str
) -> None:
    suite.case("1", script, golden="a\n")
    done = run_tests("--suite", str(suite.root))
    assert said in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("redirect", "status", "said"),
    [
        ("0<&-", 0, "1 passed"),
        (">&-", 0, ""),
        ("2>&-", 0, "1 passed"),
        (">/dev/full", 1, "run_tests.py: the output cannot be written: No space left on device"),
    ],
)
def test_standard_files_may_be_closed_or_full(
    suite: MakeSuite, tmp_path: Path, redirect: str, status: int, said: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    command = f"{sys.executable} {ROOT}/run_tests.py --suite {suite.root} {redirect}"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_plain_pytest_runs_cases_too(suite: MakeSuite) -> None:
    suite.case("1.py", "#!/usr/bin/env python3\nprint('hello')\n", golden="hello\n")
    suite.kit("qemu")
    done = plain_pytest(suite.root, "-v", "cases/1.py", "--goldlock-imgfmt=raw")
    assert "cases/1.py::1 PASSED (1 section, 1.out)" in done.stdout
    assert "goldlock: image format raw, protocol file" in done.stdout
    assert done.returncode == 0


def test_a_header_that_is_wrong_is_no_interruption_to_plain_pytest(suite: MakeSuite) -> None:
    path = suite.case("1", "#!/bin/sh\n# grupp: quick\n", golden="")
    done = plain_pytest(suite.root)
    assert f"{path}:2: unknown header 'grupp'; did you mean 'group'?" in done.stdout
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


def test_xdist_says_the_same(run_tests: RunTests, suite: MakeSuite) -> None:
    for number in "1234":
        suite.case(number, f"echo {number}", golden="3\n")
    done = run_tests("--suite", str(suite.root), "--", "-n", "2")
    assert done.returncode == 1
    assert "4 cases: " in done.stdout
    assert "3 failed" in done.stdout
    assert done.stdout.count("expected/1.out:1: the output differs from the golden") == 1


def test_the_junit_report_is_plain_text(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo hullo", golden="hello\n")
    report = tmp_path / "report.xml"
    run_tests("--suite", str(suite.root), "--", f"--junit-xml={report}", "--color=yes")
    text = report.read_text()
    assert "the output differs from the golden" in text
    assert "x1B" not in text


# The programs under test


def fake_program(folder: Path, name: str, says: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("message", "policy"),
    [
        ('Failed to get "write" lock', "elided"),
        ('Failed to get "write" lock: Resource temporarily unavailable', "errno"),
        ("No locks here", ""),
    ],
)
def test_the_errno_policy_is_read_off_a_conflict(tmp_path: Path, message: str, policy: str) -> None:
    says = f"""[ "$1" = map ] && echo 'qemu-img: Could not open: {message}'"""
    environ = {"PATH": "", "QEMU_IMG_PROG": fake_program(tmp_path, "qemu-img", says)}
    programs = probe(environ, tmp_path)
    assert programs.facts["errno_policy"] == policy
    assert programs.traits == ((policy,) if policy else ())


@pytest.mark.parametrize(
    ("help_text", "options"),
    [
        ("tcg\nqtest\nkvm", "-nodefaults -display none -accel qtest"),
        ("tcg\nkvm", "-nodefaults -display none -accel tcg -S"),
    ],
)
def test_the_accelerator(tmp_path: Path, help_text: str, options: str) -> None:
    program = fake_program(tmp_path, "qemu-system-m68k", f"echo '{help_text}'")
    programs = probe({"PATH": "", "QEMU_PROG": program}, tmp_path)
    assert programs.variables["QEMU_OPTIONS"] == options
    assert programs.why_not("qemu-system") is None
    assert programs.why_not("qemu-img") == "no qemu-img on PATH; QEMU_IMG_PROG can name one"


@pytest.mark.parametrize(
    ("name", "machine"), [("qemu-system-aarch64", "-machine virt "), ("qemu-system-x86_64", "")]
)
def test_the_emulators_of_arm_are_told_a_machine(tmp_path: Path, name: str, machine: str) -> None:
    program = fake_program(tmp_path, name, "echo qtest")
    programs = probe({"PATH": "", "QEMU_PROG": program}, tmp_path)
    assert programs.variables["QEMU_OPTIONS"] == f"{machine}-nodefaults -display none -accel qtest"


def test_a_qemu_without_a_usable_accelerator_is_missing(tmp_path: Path) -> None:
    program = fake_program(tmp_path, "qemu-kvm", "echo kvm")
    programs = probe({"PATH": "", "QEMU_PROG": program}, tmp_path)
    assert programs.why_not("qemu-system") == f"{program} has neither qtest nor tcg (-accel help)"


def test_locks_that_fall_back_are_missing(tmp_path: Path) -> None:
    says = "echo 'qemu-img: File lock requested but falling back to POSIX file locks'"
    program = fake_program(tmp_path, "qemu-img", says)
    programs = probe({"PATH": "", "QEMU_IMG_PROG": program}, tmp_path)
    assert programs.why_not("ofd-locks") == "OFD locks are not available"


@pytest.mark.parametrize("hangs", ["read -r line <{never}", "cat {never}"])
def test_an_interrupted_run_does_not_wait_for_a_program_that_hangs(
    suite: MakeSuite, tmp_path: Path, hangs: str
) -> None:
    """Nor for what that has started, and there is nothing left of either."""
    suite.kit("qemu")
    suite.case("1", "echo one", golden="one\n")
    ready, never = tmp_path / "ready", tmp_path / "never"
    for fifo in (ready, never):
        os.mkfifo(fifo)
    hang = f"echo $$ >{ready}; {hangs.format(never=never)}; exit"
    runner = subprocess.Popen(
        [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite.root)],
        env={
            **quiet_environment(),
            "QEMU_PROG": fake_program(tmp_path, "qemu-system-x86_64", hang),
            "TEST_DIR": str(tmp_path / "scratch"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    program = psutil.Process(int(ready.read_text()))
    family = [program, *program.children(recursive=True)]
    runner.send_signal(signal.SIGINT)
    said, _ = runner.communicate()
    assert runner.returncode == 130, said
    assert "Traceback" not in said
    assert all(has_ended(process.pid) for process in family)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_build_directory(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", 'echo "$QEMU_IMG_PROG"', golden="")
    build = tmp_path / "build"
    build.mkdir()
    program = fake_program(build, "qemu-img", "echo qemu-img version 99.0.1")
    done = run_tests("--suite", str(suite.root), "--build", str(build))
    assert "programs: QEMU 99.0.1, " in done.stdout
    assert f"+        {program}" in done.stdout


# Faults in lock calls

LOCKS_A_FILE = """#!/usr/bin/env python3
# needs: qemu-io faults
import errno
from goldlock.kits.qemu import Case, run

def main(case: Case) -> None:
    open(case.image, "w").close()
    case.lock_calls()
    with case.faults("lock", byte=101, image=case.image, errno=errno.ENOLCK) as active:
        case.log(case.qemu_io("-c", f"lock {case.image}").text, case.paths)
    case.log(f"{active.hits} failed")
    case.log(case.lock_calls(), case.paths)
    case.log(case.lock_calls(), case.paths)

run(main)
"""

LOCKER = """
import fcntl, os, struct, sys
file = open(sys.argv[2].split()[1], "r+")
for byte in (100, 101):
    try: fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, byte, 1, 0))
    except OSError as error: print(error.strerror)
"""


@pytest.fixture
def fault_suite(_supervisor: None, suite: MakeSuite, tmp_path: Path) -> tuple[MakeSuite, str]:
    """A suite with a case that injects a fault, and the program that it does that to."""
    golden = (
        "No locks available\n1 failed\n"
        "locker: lock 100 (uses consistent read) of TEST_DIR/t.qcow2, read: ok\n"
        "locker: lock 101 (uses write) of TEST_DIR/t.qcow2, read: ENOLCK (injected)\n"
    )
    suite.case("1.py", LOCKS_A_FILE, golden=golden)
    program = tmp_path / "locker"
    program.write_text(f"#!{sys.executable}\n{LOCKER}")
    program.chmod(0o755)
    return suite, str(program)


def test_a_case_injects_a_fault(run_tests: RunTests, fault_suite: tuple[MakeSuite, str]) -> None:
    suite, program = fault_suite
    variables = {"QEMU_IO_PROG": program, "QEMU_IO_OPTIONS": ""}
    done = run_tests("--suite", str(suite.root), **variables)
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_each_lock_call_is_shown_on_request(run_tests: RunTests, suite: MakeSuite) -> None:
    script = LOCKER.replace("sys.argv[2].split()[1]", "sys.argv[1]")
    suite.case(
        "2.py",
        f"#!/usr/bin/env python3\nimport sys; sys.argv[1:] = ['f']; open('f', 'w')\n{script}",
        golden="",
    )
    done = run_tests("--suite", str(suite.root), "--trace-locks")
    assert done.returncode == 0, done.stdout
    assert "    2.py: lock 101 of /" in done.stdout  # no kit has a word for it


@pytest.mark.usefixtures("_supervisor")
def test_a_daemon_of_a_supervised_case_is_left_behind_and_its_supervisor_is_not(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    fifos = "mkfifo ready never\n"
    daemon = "setsid sh -c 'echo now >ready; read -r line <never' >/dev/null 2>&1 &\n"
    suite.case("1", f"#!/bin/sh\n# needs: faults\n{fifos}{daemon}read -r line <ready\n", golden="")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 1
    (said,) = [line for line in done.stdout.split("\n") if line.startswith("leaked: ")]
    assert said.startswith("leaked: sh -c 'echo now >ready; read -r line <never' (pid ")
    assert said.count("pid") == 1


# Real cases on a real QEMU


@pytest.mark.parametrize(("policy", "variant"), [("errno", "out"), ("elided", "elided.out")])
def test_153_and_182_embedded(run_tests: RunTests, policy: str, variant: str) -> None:
    """On a machine without QEMU: the goldens of both policies."""
    done = run_tests("153", "182", "--errno-policy", policy, "-j", "2", PATH="/nowhere")
    assert done.returncode == 0, done.stdout
    assert "programs: embedded, as QEMU " in done.stdout
    assert f"cases/153.py::153 PASSED (43 sections, 153.{variant})" in done.stdout
    assert f"cases/182.py::182 PASSED (3 sections, 182.{variant})" in done.stdout


@pytest.mark.parametrize("order", [("153", "182"), ("182", "153")])
def test_153_and_182(run_tests: RunTests, qemu: Programs, order: tuple[str, str]) -> None:
    variant = "elided.out" if "elided" in qemu.traits else "out"
    cases = [str(ROOT / "cases" / f"{number}.py") for number in order]
    done = run_tests("--require", "qemu", "--", *cases)
    assert done.returncode == 0, done.stdout
    assert f"cases/153.py::153 PASSED (43 sections, 153.{variant})" in done.stdout
    assert f"cases/182.py::182 PASSED (3 sections, 182.{variant})" in done.stdout


def test_a_character_in_a_golden_fails_one_section(
    run_tests: RunTests, qemu: Programs, tmp_path: Path
) -> None:
    MakeSuite(tmp_path / "suite").kit("qemu")
    for folder in ("cases", "expected"):
        for path in (ROOT / folder).glob("182.*"):
            (tmp_path / "suite" / folder / path.name).write_bytes(path.read_bytes())
    for golden in (tmp_path / "suite" / "expected").iterdir():
        golden.write_text(golden.read_text().replace("'node0'", "'node9'", 1))
    done = run_tests("--suite", str(tmp_path / "suite"))
    assert done.returncode == 1
    assert "DIFFERS [Testing reopen]" in done.stdout
    assert done.stdout.count("DIFFERS") == 1
    assert "1 case: 1 failed; 3 sections, 1 differ" in done.stdout


def test_a_case_that_cannot_run_here_leaves_nothing_behind_either(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case("1", "sleep 1000 &\necho no lock here; exit 77", golden="")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 1
    assert "leaked: sleep 1000 (pid " in done.stdout


def test_a_backup_file_is_no_case(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.sh", "echo a", golden="a\n")
    suite.case("1.sh~", "echo b")
    assert run_tests("--suite", str(suite.root)).returncode == 0


def test_what_the_caller_has_open_or_ignores_is_not_the_case_s(
    suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case(
        "1",
        "ls /proc/self/fd | tr '\\n' ' '; { sh -c 'kill -USR1 $$'; } 2>/dev/null; echo $?",
        golden="0 1 2 3 138\n",  # 128 and the number of SIGUSR1
    )
    command = f"{sys.executable} {ROOT}/run_tests.py --suite {suite.root}"
    done = subprocess.run(
        ["sh", "-c", f"trap '' USR1 CHLD TSTP; exec {command} 7>{tmp_path}/seven"],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_script_that_vanishes_is_a_case_that_cannot_be_started(
    suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo one", golden="one\n")
    (case,) = read_suite(suite.root).cases
    case.path.unlink()
    scheduler = Scheduler(Settings(), {**os.environ, "TEST_DIR": str(tmp_path)})
    problems = scheduler.result(case).problems
    scheduler.close()
    assert problems[0].startswith(f"{case.path}: cannot be started: No such file or directory")
