# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case tells of its steps, and of what it does to its files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

DOES = r"""
import os, shutil, sys
from goldlock.case import action_recorder as steps
folder, path = sys.argv[1:]
steps.note("run", argv=["before"])
steps.record(path, folder)
os.chdir(folder)
steps.note("run", argv=["first"])
if not os.fork():
    steps.forget()
    open("of a program", "w").close()
    os.remove("of a program")
    steps.note("run", argv=["by a program"])
    os._exit(0)
os.wait()
open("../elsewhere", "w").close()
open("a", "wb").write(b"\xff")
open("large", "w").write("x" * (steps.SIZE_LIMIT + 1))
open("a").close()
os.link("a", "b")
os.symlink("a", "c")
os.mkdir("d")
os.mkdir("e")
os.rmdir("e")
os.rename("b", "d/b")
os.truncate("a", 100)
shutil.rmtree("d")
with open("late", "w") as file:
    file.write("late")
steps.note("hold", argv=["second"], pid=1)
"""


def test_the_steps_of_a_case_are_its_programs_and_its_changes(tmp_path: Path) -> None:
    folder, path = tmp_path / "test", tmp_path / "steps"
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DOES, str(folder), str(path)], cwd=ROOT, check=True
    )
    steps: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]

    def change(*argv: str) -> dict[str, Any]:
        return {"step": "change", "argv": [word.replace("/", f"{folder}/", 1) for word in argv]}

    assert steps == [
        {"step": "run", "argv": ["first"]},
        {"step": "file", "path": f"{folder}/a", "content": "\xff"},
        {"step": "file", "path": f"{folder}/large", "content": None},
        change("ln", "/a", "/b"),
        change("ln", "-s", "a", "/c"),
        change("mkdir", "/d"),
        change("mkdir", "/e"),
        change("rmdir", "/e"),
        change("mv", "/b", "/d/b"),
        change("truncate", "-s", "100", "/a"),
        change("rm", "-r", "/d"),
        {"step": "file", "path": f"{folder}/late", "content": "late"},
        {"step": "hold", "argv": ["second"], "pid": 1},
    ]
