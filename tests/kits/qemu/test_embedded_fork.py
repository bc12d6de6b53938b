# SPDX-License-Identifier: GPL-2.0-or-later
"""An embedded program that a case forks is the one that it would execute, for all who look."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from goldlock.inspect import lock_table, process_report
from goldlock.kits.qemu.case import QemuCase
from goldlock.kits.qemu.environment import VARIABLES, QemuEnvironment
from goldlock.kits.qemu.locate import LAUNCHERS, embed
from goldlock.lockcalls.api import unavailable, wrap
from goldlock.suite.programs import Programs

from tests.case.support import make_environment
from tests.conftest import ROOT, MakeSuite, RunTests
from tests.embedded.programs import filtered, held_bytes
from tests.embedded.test_command_lines import lines, make_all_images

WAYS = ("executed", "forked")

# A case that runs each line of the table in a folder of its own, and tells what came of it.
EACH_LINE = """
import json, os, shlex, shutil
from goldlock.kits.qemu import Case, run

def main(case):
    programs = {"img": case.qemu_img, "io": case.qemu_io, "system": case.qemu}
    quiet = ("-nodefaults", "-display", "none", "-machine", "none", "-monitor", "stdio")
    for line in open("../../lines"):
        line = line.rstrip("\\n")
        folder = shutil.copytree("../fresh", "../run")
        os.chdir(folder)
        command, _, stdin = line.partition(" < ")
        name, *words = shlex.split(command)
        before = quiet if name == "system" else ()
        done = programs[name](*before, *words, stdin=stdin.replace("\\\\n", "\\n"))
        case.log(json.dumps([line, done]))
        os.chdir(case.test_dir)
        shutil.rmtree(folder)

run(main)
"""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def record(folder: Path, way: str, root: Path = ROOT / ".import") -> QemuEnvironment:
    """Make the launchers; return what a case is told of them."""
    paths = embed(folder)
    text = {name: Path(path).read_text() for name, path in paths.items()}
    for name, path in paths.items():
        Path(path).write_text(text[name].replace(repr(str(ROOT / ".import")), repr(str(root))))
    named = {VARIABLES[name].lower(): path for name, path in paths.items()}
    launchers = str(folder / LAUNCHERS) if way == "forked" else ""
    return QemuEnvironment(goldlock_embedded=launchers, **named)


def ran(folder: Path, way: str, script: str, root: Path = ROOT / ".import", trace: str = "") -> str:
    """Run a case script; return what it printed."""
    environment = make_environment(folder, goldlock_stack_dump=f"{folder}/stack")
    environ = {**environment.to_environ(), **record(folder, way, root).to_environ()}
    path = folder / "1.py"
    path.write_text(script)
    argv = [sys.executable, str(path)]
    done = subprocess.run(
        wrap(argv, trace=trace) if trace else argv,
        env={**environ, "PYTHONPATH": str(root), "LC_ALL": "C"},
        cwd=environment.test_dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def test_each_command_line_has_the_same_answer_and_the_same_lock_calls(
    tmp_path: Path, qemu: Programs
) -> None:
    """The real qemu-img makes the images that ours cannot make."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    make_all_images(fresh)
    table = [*lines(refused=False), *lines(refused=True)]
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in table))
    answers, calls = {}, {}
    trace = "" if unavailable() else str(tmp_path / "trace")
    for way in WAYS:
        folder = tmp_path / "case"
        folder.mkdir()
        shutil.copytree(fresh, folder / "fresh")
        output = ran(folder, way, EACH_LINE, trace=trace)
        answers[way] = [filtered(line) for line in output.splitlines()]
        calls[way] = Path(trace).read_text().splitlines() if trace else []
        shutil.rmtree(folder)
    assert len(answers["forked"]) == len(table) >= 150
    assert answers["forked"] == answers["executed"]
    assert calls["forked"] == calls["executed"]
    assert bool(calls["forked"]) == bool(trace)


@pytest.fixture
def case(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[QemuCase]:
    """Return a case with an image; its programs are executed, or forked from this process."""
    monkeypatch.setenv("LC_ALL", "C")
    before = lock_table.held_by(os.getpid())
    case = QemuCase(make_environment(tmp_path), qemu=record(tmp_path, way))
    assert case.qemu_img("create", "-f", "qcow2", case.image, "1M").status == 0
    monkeypatch.chdir(case.test_dir)
    yield case
    assert lock_table.held_by(os.getpid()) == before  # nothing of the programs ran here


def test_a_program_has_no_open_file_of_the_case(case: QemuCase, tmp_path: Path) -> None:
    inherited = os.open(tmp_path / "of the case", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(inherited, True)
    with case.holder("-drive", f"if=none,file={case.image}") as holder:
        folder = Path(f"/proc/{holder.process.pid}/fd")
        links = {int(path.name): str(path.readlink()) for path in folder.iterdir()}
    os.close(inherited)
    assert str(tmp_path / "of the case") not in links.values()
    files = [link for fd, link in links.items() if fd > 2 and not link.startswith("pipe:")]
    assert files == [case.image]
    assert len(links) == 3 + 1 + 2, links  # the emulator wakes itself through a pipe
    assert links[1] == links[2] != links[0]


def test_what_the_case_threw_away_closes_no_file_of_a_program(tmp_path: Path, way: str) -> None:
    """The image gets the number that a file of the case had, and that is garbage by then."""
    script = """
import gc
from goldlock.kits.qemu import Case, run

def main(case):
    garbage = [open("/dev/null", "rb") for _ in range(9)]
    garbage.append(garbage)
    gc.collect()  # it is old now: only a full collection finds it
    del garbage
    assert case.qemu_img("create", "-f", "qcow2", case.image, "1M").status == 0
    with case.holder("-drive", f"if=none,file={case.image}") as holder:
        many = ",".join(["[]"] * 200_000)  # a full collection comes while these are read
        holder._show_command = holder._show_output = lambda _: None
        holder.qmp("{ 'execute': 'qmp_capabilities', 'id': [%s] }" % many)
        case.log(case.qemu_img("check", case.image).text)

run(main)
"""
    assert "Is another process using the image" in ran(tmp_path, way, script)


def test_a_killed_holder_frees_its_locks(case: QemuCase) -> None:
    with case.holder("-drive", f"if=none,file={case.image}") as holder:
        assert "Is another process using" in case.qemu_img("check", case.image).stderr
        assert held_bytes(Path(case.image)) != []
        os.kill(holder.process.pid, signal.SIGKILL)
        assert holder.process.wait() == -signal.SIGKILL
        assert held_bytes(Path(case.image)) == []
        assert case.qemu_img("check", case.image).status == 0


def test_who_looks_sees_the_program(case: QemuCase, way: str) -> None:
    with case.holder("-drive", f"if=none,file={case.image}") as holder:
        process = psutil.Process(holder.process.pid)
        named = process_report.name_of(process)
        seen = (process.name(), process.cwd(), process.ppid())
    assert seen == ("qemu-system", case.test_dir, os.getpid())
    if way == "forked":  # as much as there is room for, where the command line of pytest is
        assert named.startswith("qemu-system -nographic")
    assert "''" not in named
    assert named.endswith(f"(pid {holder.process.pid})")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE])
def test_signals_are_as_for_a_program_that_has_just_started(
    case: QemuCase, way: str, number: signal.Signals
) -> None:
    """A handler of the case is none of its program; what the case ignores is ignored on."""
    del way
    found = []
    for handler in (signal.SIG_IGN, lambda *_: None, signal.SIG_DFL):
        before = signal.signal(number, handler)
        try:
            # The monitor's program handles SIGINT itself: qemu-io does not.
            pipe = subprocess.PIPE
            process = case._start(case.qemu_io.argv(case.image), stdin=pipe, stdout=pipe)
            assert process.stdout is not None
            process.stdout.read(1)  # its prompt: it waits for commands from here on
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.kill()
            process.communicate()
        finally:
            signal.signal(number, before)
        bit = 1 << (number - 1)
        masks = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Sig"))
        found.append([name for name in ("SigIgn", "SigCgt") if int(masks[name], 16) & bit])
    expected = {
        signal.SIGINT: [["SigIgn"], ["SigCgt"], ["SigCgt"]],
        signal.SIGUSR1: [["SigIgn"], [], []],
        signal.SIGPIPE: [["SigIgn"], ["SigIgn"], ["SigIgn"]],
    }
    assert found == expected[number]


def test_an_interrupt_ends_it_as_the_signal_would(case: QemuCase) -> None:
    process = case._start(
        case.qemu_io.argv(case.image), stdin=subprocess.PIPE, stdout=-1, stderr=-1
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.write(b"read 0 512\n")
    process.stdin.flush()
    assert process.stdout.readline()  # it is up
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT


def test_where_the_case_is_is_no_affair_of_its_programs(tmp_path: Path, way: str) -> None:
    """SIGTERM ends them, and the handler that tells where the case is stays with the case."""
    script = """
import signal, subprocess
from goldlock.kits.qemu import Case, run

def main(case):
    case.qemu_img("create", "-f", "qcow2", case.image, "1M")
    pipe = subprocess.PIPE
    process = case._start(case.qemu_io.argv(case.image), stdin=pipe, stdout=pipe)
    process.stdout.read(1)  # its prompt
    for each in (process.pid, "self"):
        masks = dict(line.split(":") for line in open(f"/proc/{each}/status"))
        print(int(masks["SigCgt"], 16) >> signal.SIGTERM - 1 & 1)
    process.terminate()
    print(process.wait())

run(main)
"""
    assert ran(tmp_path, way, script) == "0\n1\n-15\n"
    assert "File" not in (tmp_path / "stack").read_text()


def test_what_the_case_held_back_is_written_once(tmp_path: Path, way: str) -> None:
    script = """
import sys
from goldlock.kits.qemu import Case, run

def main(case):
    print("held back", end=" ")
    case.qemu_img("--version")
    print("and written")

run(main)
"""
    assert ran(tmp_path, way, script) == "held back and written\n"


def test_a_program_that_crashes_shows_where(tmp_path: Path) -> None:
    script = """
from goldlock.kits.qemu import Case, run

def main(case):
    done = case.qemu_img("map", "t")
    case.log(f"{done.status} {done.text}")

run(main)
"""
    broken = tmp_path / "broken"
    shutil.copytree(ROOT / "harness", broken / "goldlock")
    module = broken / "goldlock/embedded/img/map.py"
    module.write_text(f"{module.read_text()}\ndef map(words):\n    return 1 // len(words[1:])\n")
    said = {}
    for way in WAYS:
        (tmp_path / way).mkdir()
        said[way] = ran(tmp_path / way, way, script, broken)
    assert said["forked"].startswith("1 Traceback (most recent call last):\n")
    assert said["forked"].endswith("ZeroDivisionError: integer division or modulo by zero\n")
    frames = {w: said[w].partition("img/main.py")[2] for w in WAYS}
    assert frames["forked"] == frames["executed"] != ""


def test_a_program_that_cannot_be_imported_is_a_failure_of_the_program(tmp_path: Path) -> None:
    script = """
from goldlock.kits.qemu import Case, run

def main(case):
    for _ in range(2):
        done = case.qemu_io("--version")
        case.log(f"{done.status} {done.text.splitlines()[-1]}")

run(main)
"""
    broken = tmp_path / "broken"
    shutil.copytree(ROOT / "harness", broken / "goldlock")
    (broken / "goldlock/embedded/io/main.py").write_text("import no_such_module\n")
    for way in WAYS:
        (tmp_path / way).mkdir()
        said = ran(tmp_path / way, way, script, broken)
        assert said == "1 ModuleNotFoundError: No module named 'no_such_module'\n" * 2


@pytest.mark.parametrize("where", ["elsewhere", "programs/sub"])
def test_a_script_around_a_program_is_executed(tmp_path: Path, where: str) -> None:
    qemu = record(tmp_path, "forked")
    wrapper = tmp_path / where / "qemu-io"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\necho wrapped\nexec {qemu.qemu_io_prog} "$@"\n')
    wrapper.chmod(0o755)
    qemu = qemu._replace(qemu_io_prog=str(wrapper))
    done = QemuCase(make_environment(tmp_path), qemu=qemu).qemu_io("--version")
    assert done.stdout.startswith("wrapped\nqemu-io version ")


LEFT_BEHIND = """\
from goldlock.kits.qemu import Case, run

def main(case):
    case.make_image(case.image, "1M")
    case.holder("-drive", f"if=none,file={case.image}")
    %s

run(main)
"""


@pytest.mark.parametrize(
    ("then", "named", "locks"),
    [
        ("pass", "leaked: qemu-system -nodefaults", "holding bytes 100-101 103 201 203 of"),
        ("case.qemu()", "\n    qemu-system -nodefaults", "byte 103, it may resize:"),
    ],
)
def test_what_a_case_leaves_behind_or_waits_for_is_named(
    run_tests: RunTests, suite: MakeSuite, then: str, named: str, locks: str
) -> None:
    suite.case("1.py", LEFT_BEHIND % then, golden="")
    options = ("--suite", str(suite.root), "--programs", "embedded", "--time-limit", "5")
    done = run_tests(*options)
    assert done.returncode == 1
    assert named in done.stdout, done.stdout
    assert f"{locks} " in done.stdout, done.stdout
