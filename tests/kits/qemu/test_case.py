# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case of QEMU has beyond others; the cases themselves show the rest."""

import fcntl
import os
from pathlib import Path

import pytest
from goldlock.kits.qemu.environment import QemuEnvironment

from tests.case.support import run_script
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
    own = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
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
