# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of command lines: exit status and output are those of the real programs."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.embedded.conftest import make_images
from tests.embedded.left_behind import differences
from tests.embedded.programs import QUIET, TIME_LIMIT, command, environment, filtered, run

pytestmark = pytest.mark.real

TABLE = Path(__file__).with_name("command_lines.txt")
RANDOM = Path(__file__).with_name("random_lines.txt")
NAMES = {"img": "qemu-img", "io": "qemu-io", "system": "qemu-system-x86_64"}

REFUSED = "! "
"""Before the lines that are not served."""


def lines(refused: bool) -> list[str]:
    """Return the lines of the tables that are served, or those that are not."""
    text = TABLE.read_text() + RANDOM.read_text()
    found = [line for line in text.splitlines() if line and line[0] != "#"]
    return [line.removeprefix(REFUSED) for line in found if line.startswith(REFUSED) is refused]


def make_all_images(folder: Path) -> None:
    """Make the images that the table names; what ours cannot make, the real programs do."""
    make_images(folder)
    shutil.copy(folder / "t", folder / "snap")
    (folder / "odd").write_bytes(b"odd " * 250)
    (folder / "cut").write_bytes((folder / "base").read_bytes()[: 3 << 16])
    for words in (
        ("snapshot", "-c", "one", "snap"),
        ("snapshot", "-c", "2", "snap"),
        ("convert", "-c", "-O", "qcow2", "t", "packed"),
        ("create", "-q", "-f", "vmdk", "vmdk", "1M"),
        ("create", "-q", "-f", "qcow2", "-o", "compat=0.10", "-b", "base", "-F", "qcow2", "old"),
        ("create", "-q", "-f", "qcow2", "marked", "1M"),
        ("bitmap", "--add", "marked", "one"),
    ):
        assert run("qemu-img", "real", *words, cwd=folder).status == 0


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    make_all_images(folder)
    return folder


def answer(line: str, kind: str, folder: Path) -> list[object]:
    """Run one line of the table; return exit status and filtered output."""
    program, *words = shlex.split(line.partition(" < ")[0])
    stdin = line.partition(" < ")[2].replace("\\n", "\n")
    before = (*QUIET, "-monitor", "stdio") if program == "system" else ()
    outcome = run(NAMES[program], kind, *before, *words, cwd=folder, stdin=stdin)
    return [outcome.status, filtered(outcome.stdout), filtered(outcome.stderr)]


@pytest.mark.parametrize("line", lines(refused=False))
def test_a_command_line_answers_as_the_real_program_does(
    line: str, fresh: Path, tmp_path: Path
) -> None:
    answers = {}
    for kind in ("real", "ours"):
        shutil.copytree(fresh, tmp_path / kind)
        answers[kind] = answer(line, kind, tmp_path / kind)
    assert not differences(tmp_path / "real", tmp_path / "ours")
    assert answers["ours"] == answers["real"]


@pytest.mark.parametrize("line", lines(refused=True))
def test_what_is_not_served_is_refused_by_name_and_touches_nothing(
    line: str, fresh: Path, tmp_path: Path
) -> None:
    shutil.copytree(fresh, tmp_path / "ours")
    status, stdout, stderr = answer(line, "ours", tmp_path / "ours")
    assert "not served by the embedded programs" in f"{stdout}{stderr}"
    # `qemu-img compare` exits with 2 for what it finds in an image.
    exits = (1, 2) if line.startswith("img compare") else (1,)
    assert status in exits or line.startswith("system")
    assert not differences(fresh, tmp_path / "ours")


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(lines(refused=False)) >= 500
    assert len(lines(refused=True)) >= 180


@pytest.mark.parametrize(
    "line",
    [
        "img create -f raw new 2M",
        "img create -f raw raw 2M",
        "img convert -f raw -O raw large new",
        "img resize -f raw raw 2M",
        "io -f raw -c 'truncate 2M' raw",
    ],
)
def test_a_file_that_cannot_grow_is_told_as_by_the_real_program(line: str, tmp_path: Path) -> None:
    answers = []
    for kind in ("real", "ours"):
        folder = tmp_path / kind
        folder.mkdir()
        for name, size in (("raw", 1 << 16), ("large", 2 << 20)):
            with (folder / name).open("wb") as file:
                file.truncate(size)
        program, *words = shlex.split(line)
        limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 1024; exec "$@"', "sh"]
        done = subprocess.run(
            [*limited, *command(NAMES[program], kind), *words], cwd=folder, env=environment(),
            capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
        )  # fmt: skip
        answers.append((done.returncode, done.stdout, done.stderr))
    assert answers[0] == answers[1]
    assert "too large" in answers[0][2]
