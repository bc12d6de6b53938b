# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts of --commands: run by hand, they say what the programs of the case said."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from goldlock.suite.programs import Programs

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment

SHELLS = [shell for shell in ("sh", "bash", "dash") if shutil.which(shell)]


def repeat(script: Path, shell: str = "sh") -> str:
    """Run a script in a place of its own; return what it and its programs said, filtered."""
    place = Path(tempfile.mkdtemp(prefix="hand-", dir="/tmp"))  # short enough for sockets
    done = subprocess.run(
        ["timeout", "100", shell, str(script)],
        env={**quiet_environment(), "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    place.rmdir()  # it tidies up
    return re.sub(rf"{re.escape(str(place))}/goldlock-\w+/test", "TEST_DIR", done.stdout)


def refusals(text: str) -> list[str]:
    """Return the messages about locks, each without the name of who says it."""
    lines = re.sub(r"^.*?(Failed to (get|lock) )", r"\1", text, flags=re.M).split("\n")
    return [line for line in lines if line.startswith(("Failed to ", "Is another process"))]


def test_the_real_cases_repeat(run_tests: RunTests, qemu: Programs, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "scripts"
    done = run_tests("153", "182", "--commands", str(folder))
    assert done.returncode == 0, done.stdout
    assert f"commands: a script for each case, in {folder}" in done.stdout
    for number, count in (("153", 76), ("182", 2)):
        golden = ROOT / "expected" / f"{number}.{qemu.errno_policy}.out"
        if not golden.exists():
            golden = ROOT / "expected" / f"{number}.out"
        said = re.sub(r"TEST_DIR/part\d/test", "TEST_DIR", repeat(folder / f"{number}.sh"))
        assert refusals(said) == refusals(golden.read_text())
        assert len(refusals(said)) == count


PARTS = """#!/usr/bin/env python3
from pathlib import Path
from goldlock import Case, run

def part(case: Case, word: str) -> None:
    case.make_image(case.image, "1M")
    Path("file").write_text(f"{word}\\n")
    case.log(word)

def story(case: Case) -> None:
    with case.side_by_side() as parts:
        for word in ("one", "two", "three", "four", "five"):
            parts.start(part, word)
    Path("part1/test/late").write_text("late\\n")
    case.qemu_img("info", "part1/test/t.qcow2")

run(story)
"""


def test_a_script_does_what_parts_do_and_nothing_that_keeps_them(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1.py", PARTS, "")
    options = ("--suite", str(suite.root), "--programs", "embedded", "--commands", str(tmp_path))
    scripts = []
    for _ in range(2):
        run_tests(*options)
        scripts.append((tmp_path / "1.sh").read_text())
    assert scripts[0] == scripts[1]
    said = repeat(tmp_path / "1.sh")
    assert said.count("Formatting ") == 5
    assert "image: part1/test/t.qcow2" in said
    for kept in ("output", "home", "log", "situation"):
        assert f"/part1/{kept}" not in scripts[0]
    assert "one\nEND\n" in scripts[0]
    assert '>"${TEST_DIR}/part1/test/late"' in scripts[0]


STORY = r'''#!/usr/bin/env python3
import os
from pathlib import Path
from goldlock import Case, run

def story(case: Case) -> None:
    case.section("It's $HOME, `so` to \\ say")
    case.make_image(case.image, "1M")
    Path(f"{case.test_dir}/it's").symlink_to("t.qcow2")
    Path(f"{case.test_dir}/text").write_text("a line of $TEXT\n" * 40)
    Path(f"{case.test_dir}/bytes").write_bytes(b"\xff\0" * 600)
    Path(f"{case.test_dir}/gone").write_text("gone\n")
    with case.holder("-drive", f"file={case.test_dir}/it's,if=none,id=d0") as holder:
        case.qemu_io("-c", "read 0 512", case.image)
        holder.qmp("{'execute': 'qmp_capabilities'}")
        holder.qmp("""{'execute':
            'nonsense'}""")
        with case.human_monitor() as monitor:
            monitor.hmp("info block")
            monitor.hmp("drive_add 0 if=none,id=d1,file=" + case.image)
        holder.hmp("drive_del d0")
        case.qemu_io("-c", "read 0 512", case.image)
        holder.send("{'execute': 'quit'}")
        holder.event("SHUTDOWN")
        holder.wait()
    Path(f"{case.test_dir}/gone").unlink()
    os.rename(f"{case.test_dir}/text", f"{case.test_dir}/renamed")
    for name in ("bytes", "renamed", "gone"):
        print(case.qemu_img("info", "-f", "raw", f"{case.test_dir}/{name}").text)

run(story)
'''


@pytest.mark.parametrize("shell", SHELLS)
def test_all_that_a_case_can_do_is_repeated(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, shell: str
) -> None:
    is_repeated(run_tests, suite, tmp_path, shell, "embedded")


def test_all_that_it_can_do_with_qemu_is_repeated(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, qemu: Programs
) -> None:
    is_repeated(run_tests, suite, tmp_path, "sh", "system")


def is_repeated(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, *shell_and_kind: str
) -> None:
    shell, kind = shell_and_kind
    suite.case("1.py", STORY)
    folder = tmp_path / "it's the $folder"
    run_tests("--suite", str(suite.root), "--programs", kind, "--commands", str(folder))
    said = repeat(folder / "1.sh", shell)
    assert "== It's $HOME, `so` to \\ say ==\n" in said
    # One refusal for qemu-io, one for the second qemu-system; the last qemu-io is let in.
    assert len(re.findall(r'Failed to get "(?:write|consistent read)" lock', said)) == 2
    assert said.count("read 512/512 bytes at offset 0") == 1
    assert '[1] {"error": {"class": "CommandNotFound"' in said
    assert '"event": "SHUTDOWN"' in said
    assert "[1] [exit status 0]" in said
    assert "[2] killed" in said
    assert "(1536 bytes)" in said  # bytes, in whole sectors
    assert "(1024 bytes)" in said  # what was called text
    assert "Could not open 'TEST_DIR/gone'" in said


HOLDS_MANY = """#!/usr/bin/env python3
from contextlib import ExitStack
from goldlock import Case, run

def story(case: Case) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(case.holder())

run(story)
"""


def test_seven_programs_at_a_time_can_be_repeated_and_no_more(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    for number, count in ((1, 7), (2, 8)):
        suite.case(f"{number}.py", HOLDS_MANY.replace("range(8)", f"range({count})"))
    run_tests("--suite", str(suite.root), "--programs", "embedded", "--commands", str(tmp_path))
    said = repeat(tmp_path / "1.sh")
    assert [said.count(f'[{n}] {{"QMP"') for n in range(1, 8)] == [1] * 7
    assert said.count("killed") == 7
    assert "More programs at a time than sh has names for: the end." in repeat(tmp_path / "2.sh")


def test_a_directory_that_monitors_could_not_read_is_not_used(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "pwd")
    run_tests("--suite", str(suite.root), "--commands", str(tmp_path))
    for name in ("a b", "a,b", "deep/" * 20):
        place = tmp_path / name
        place.mkdir(parents=True)
        environ = {**quiet_environment(), "TMPDIR": str(place)}
        said = subprocess.check_output(["sh", str(tmp_path / "1.sh")], env=environ, text=True)
        assert re.search(r"\n/tmp/goldlock-\w+/test\n", said)
        assert list(place.iterdir()) == []


def test_a_case_in_another_language_is_started_as_it_is(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    text = 'echo "$IMGFMT $(basename "$QEMU_IMG_PROG")"; "$QEMU_IMG_PROG" --version; pwd'
    suite.case("1", text)
    run_tests("--suite", str(suite.root), "--programs", "embedded", "--commands", str(tmp_path))
    said = repeat(tmp_path / "1.sh")
    assert re.search(
        r"\nqcow2 qemu-img\nqemu-img version .*\nTEST_DIR\n", said.replace("\nCopyright", ""), re.S
    )


def test_it_is_the_program_that_is_repeated_not_what_stood_before(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1.py", STORY.replace("with case.holder", "return\n    with case.holder"))
    image = tmp_path / "qemu-img"
    image.write_text("#!/bin/sh\necho wrapped: $WRAPPED.\n")
    image.chmod(0o755)
    options = ("--commands", str(tmp_path), "--wrap", "env WRAPPED=yes")
    run_tests("--suite", str(suite.root), *options, QEMU_IMG_PROG=str(image))
    assert f"\n$ {image} create -f qcow2 TEST_DIR/t.qcow2 1M\nwrapped: .\n" in repeat(
        tmp_path / "1.sh"
    )


def test_a_file_that_is_no_such_script_stays(run_tests: RunTests, suite: MakeSuite) -> None:
    path = suite.case("1.sh", "echo a", golden="a\n")
    before = path.read_text()
    done = run_tests("--suite", str(suite.root), "--commands", str(suite.root / "cases"))
    assert "1.sh: not a script of --commands, and is as it was; name another dir" in done.stdout
    assert done.returncode == 1
    assert path.read_text() == before


def test_a_folder_that_cannot_be_is_named(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo a", golden="a\n")
    (tmp_path / "file").touch()
    done = run_tests("--suite", str(suite.root), "--commands", str(tmp_path / "file"))
    said = f"run_tests.py: --commands {tmp_path}/file: cannot be written: File exists\n"
    assert (done.returncode, done.stdout) == (2, said)
    assert (tmp_path / "file").read_bytes() == b""
