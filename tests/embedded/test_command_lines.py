# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of command lines: exit status and output are those of the real programs."""

import shlex
import shutil
from pathlib import Path

import pytest

from tests.embedded.conftest import make_images
from tests.embedded.programs import QUIET, filtered, run

pytestmark = pytest.mark.real

TABLE = Path(__file__).with_name("command_lines.txt")
NAMES = {"img": "qemu-img", "io": "qemu-io", "system": "qemu-system-x86_64"}

# Command lines that answer differently, and why they may.
KNOWN: dict[str, str] = {
    "img snapshot -a one raw": "QEMU opens raw again after the failure and warns again",
    "img create -f qcow2 -b base new": "QEMU leaves the last line without an end; we end it",
}


def _lines() -> list[str]:
    lines = TABLE.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    make_images(folder)
    shutil.copy(folder / "t", folder / "snap")
    for words in (
        ("snapshot", "-c", "one", "snap"),
        ("snapshot", "-c", "2", "snap"),
        ("convert", "-c", "-O", "qcow2", "t", "packed"),
    ):
        assert run("qemu-img", "ours", *words, cwd=folder).status == 0
    return folder


def answer(line: str, kind: str, folder: Path) -> list[object]:
    """Run one line of the table; return exit status and filtered output."""
    program, *words = shlex.split(line.partition(" < ")[0])
    stdin = line.partition(" < ")[2].replace("\\n", "\n")
    before = (*QUIET, "-monitor", "stdio") if program == "system" else ()
    outcome = run(NAMES[program], kind, *before, *words, cwd=folder, stdin=stdin)
    return [outcome.status, filtered(outcome.stdout), filtered(outcome.stderr)]


@pytest.mark.parametrize("line", _lines())
def test_a_command_line_answers_as_the_real_program_does(
    line: str, fresh: Path, tmp_path: Path
) -> None:
    answers = {}
    for kind in ("real", "ours"):
        shutil.copytree(fresh, tmp_path / kind)
        answers[kind] = answer(line, kind, tmp_path / kind)
    if line in KNOWN:
        assert answers["ours"] != answers["real"], "no longer different: take it off the list"
        assert answers["ours"][0] == answers["real"][0] or "exit status" in KNOWN[line]
        return
    assert answers["ours"] == answers["real"]


def test_the_table_is_as_long_as_promised() -> None:
    assert len(_lines()) - len(KNOWN) >= 150
    assert set(KNOWN) <= set(_lines())
