# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case of QEMU has beyond others; the cases themselves show the rest."""

import fcntl
import os
from pathlib import Path

import pytest
from goldlock.inspect import process_facts
from goldlock.kits.qemu.environment import QemuEnvironment
from goldlock.suite.programs import Programs

from tests.case.support import run_script
from tests.conftest import MakeSuite, RunTests
from tests.kits.qemu.support import make_case


def test_the_record_goes_through_the_environment_and_back() -> None:
    record = QemuEnvironment(imgfmt="raw", qemu_prog="/q", qemu_options="-a 'b c'")
    assert QemuEnvironment.from_environ(record.to_environ()) == record
    assert record.command("qemu") == ["/q", "-a", "b c"]
    assert record.command("qemu_img") == [""]


def test_what_is_echoed_is_the_command_of_the_case(tmp_path: Path) -> None:
    case = make_case(tmp_path, qemu_io_prog="/usr/bin/qemu-io", qemu_io_options="-f qcow2")
    assert case.qemu_io.echo("-c", "open  x", "") == "_qemu_io_wrapper -c open  x "
    assert case.qemu_io.argv("x") == ["/usr/bin/qemu-io", "-f", "qcow2", "x"]


@pytest.mark.parametrize(
    "refusal", ['get shared "write" lock', 'get \\"write\\" lock', "lock byte 1"]
)
def test_the_log_notes_who_holds_what_where_a_lock_is_refused(tmp_path: Path, refusal: str) -> None:
    program = tmp_path / "program"
    program.write_text(f"echo 'Failed to {refusal}' >&2\n")
    case = make_case(tmp_path, qemu_img_prog="/bin/sh", qemu_img_options=str(program))
    with Path(case.image).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        case.qemu_img()
    assert "# locks:\nt.qcow2: all bytes, exclusive (flock): " in (tmp_path / "log").read_text()


def test_the_table_of_locks_names_the_emulator(tmp_path: Path) -> None:
    own = process_facts.name(os.getpid())
    case = make_case(tmp_path, qemu_prog=f"/usr/bin/{own}")
    with Path(case.image).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        said = case.holders(case.locks())
    assert said == "t.qcow2: all bytes, shared (flock): QEMU_PROG (pid PID, holder)\n"


def test_the_image_of_a_task_is_in_its_directory(tmp_path: Path) -> None:
    text = (
        "def task(case, name):\n"
        "    case.log(case.image.removeprefix(case.test_dir))\n"
        "    case.log(case.image, case.paths, case.format)\n"
        "def main(case):\n"
        "    case.image += '.base'\n"
        "    with case.task_group() as group:\n"
        "        group.start(task, 'one')\n"
    )
    assert (
        run_script(tmp_path, text, kit="qemu").stdout == "/t.qcow2.base\nTEST_DIR/t.IMGFMT.base\n"
    )


def test_a_qemu_io_with_image_options_has_no_format(tmp_path: Path) -> None:
    given = {"qemu_io_options": "--cache none -f qcow2", "qemu_io_options_no_fmt": "--cache none"}
    case = make_case(tmp_path, qemu_io_prog="/q", **given)
    assert case.qemu_io.argv("x") == ["/q", "--cache", "none", "-f", "qcow2", "x"]
    words = ("--image-opts", case.image_opts("/a,b"))
    assert case.qemu_io.argv(*words) == ["/q", "--cache", "none", *words]
    assert words[1] == "driver=qcow2,file.driver=file,file.filename=/a,,b"


@pytest.mark.parametrize("protocol", ["nbd", "ssh", "nfs", "fuse"])
def test_a_protocol_that_cases_would_not_use_is_refused(
    run_tests: RunTests, suite: MakeSuite, protocol: str
) -> None:
    suite.kit()
    suite.case("1", "echo a", golden="a\n")
    done = run_tests("--suite", str(suite.root), f"-{protocol}")
    said = f"protocol {protocol} is not served: cases would work on a plain file"
    assert (done.stdout, done.returncode) == (f"run_tests.py: {said}\n", 2)


def test_an_image_with_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As QEMU takes it; to make one for real fails by chance where the machine is busy."""
    case = make_case(tmp_path, imgfmt="luks", imgopts="cipher-mode=xts", qemu_img_prog="/bin/echo")
    secret = "--object secret,id=keysec0,data=123456"
    assert " ".join(case.secret) == secret
    case.make_image(case.image, "1M")
    options = "-o cipher-mode=xts,key-secret=keysec0,iter-time=10"
    made = f"create -f IMGFMT {secret} {options} TEST_DIR/t.IMGFMT 1M\n"
    assert capsys.readouterr().out == made
    named = f"driver=luks,key-secret=keysec0,file.driver=file,file.filename={case.image}"
    assert case.image_opts(case.image) == named


def test_options_for_images_and_of_sanitizers_reach_the_programs(
    run_tests: RunTests, suite: MakeSuite, qemu: Programs
) -> None:
    names = ("TSAN_OPTIONS", "LSAN_OPTIONS", "GLIBC_TUNABLES", "MALLOC_PERTURB_")
    shown = "".join(f"echo ${name}\n" for name in names)
    info = '"$QEMU_IMG_PROG" info t | grep cluster_size'
    make = '"$QEMU_IMG_PROG" create -q -f qcow2 -o "$IMGOPTS" t 1M'
    suite.case("1", f"{shown}{make}\n{info}", golden="1\n2\n3\n4\ncluster_size: 4096\n")
    variables = {name: str(value) for value, name in enumerate(names, 1)}
    options = ("--suite", str(suite.root))
    done = run_tests(*options, "-o", "cluster_size=4096", **variables, IMGOPTS="compat=0.10")
    assert done.returncode == 0, done.stdout
    assert run_tests(*options, **variables, IMGOPTS="cluster_size=4096").returncode == 0
