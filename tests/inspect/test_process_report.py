# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of a case's processes at its time limit, or when it fails."""

import os
import subprocess
import sys
from pathlib import Path

from goldlock.inspect.process_facts import name
from goldlock.inspect.process_report import describe, tree
from goldlock.inspect.processes import descendants
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, FileWord, pack

from tests.conftest import MakeSuite, RunTests

WORD = FileWord("file", 0, None, "WHOLE")
HOLDER = """
import fcntl, sys
if "stay" in sys.argv:
    file = open("t.qcow2", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
print('{"QMP": {}}', flush=True)
sys.stdin.readline()
sys.exit(4)
"""


def test_processes_and_locks(tmp_path: Path) -> None:
    script = tmp_path / "case.sh"
    script.write_text("#!/bin/sh\nexec 9>>file\nflock 9\nsh -c 'echo ready; read x; exit'\n:\n")
    script.chmod(0o755)
    process = subprocess.Popen(
        [str(script)],
        cwd=tmp_path,
        env={**os.environ, "TEST_DIR": str(tmp_path), LOCKS_VARIABLE: pack([WORD])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    said = describe(process.pid).splitlines()
    (child,) = descendants(process.pid)
    assert name(process.pid) == "case.sh"
    process.communicate()
    assert said[0].startswith(f"  /bin/sh {script} (pid {process.pid}), ")
    assert said[1].startswith(f"    sh -c 'echo ready; read x; exit' (pid {child}), ")
    assert said[2:] == [  # the child has the file open, too, as it was started so
        "locks held:",
        f"  file: all bytes, WHOLE, exclusive (flock): case.sh (pid {process.pid}, holder)",
    ]
    assert describe(process.pid) == ""
    assert tree(process.pid) == ""
    assert name(process.pid) == "?"


def report(run_tests: RunTests, suite: MakeSuite, main: str) -> str:
    program = suite.root / "qemu-fake"
    program.write_text(f"#!{sys.executable}\n{HOLDER}")
    program.chmod(0o755)
    text = f"from goldlock.kits.qemu import Case, run\n{main}\nrun(main)\n"
    suite.case("1.py", "#!/usr/bin/env python3\n" + text, "")
    return run_tests("--suite", str(suite.root), "-d", QEMU_PROG=str(program)).stdout


def test_a_story_that_fails_tells_who_held_what(run_tests: RunTests, suite: MakeSuite) -> None:
    """At that moment: the end of the with statement kills the holder, after that."""
    main = "def main(case):\n    with case.holder('stay') as one:\n        {}['slip']\n"
    said = report(run_tests, suite, main)
    assert "KeyError: 'slip'" in said
    assert "process tree when it failed:\n" in said
    assert "locks held:\n  t.qcow2: all bytes, exclusive (flock): qemu-fake (pid " in said


def test_a_program_that_does_not_answer_and_one_that_holds_a_lock(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    main = (
        "def main(case):\n"
        "    with case.holder('stay'), case.holder('quit') as other:\n"
        "        other.qmp('what')\n"
    )
    said = report(run_tests, suite, main)
    assert "failed to answer { 'execute': 'what' } (exit status 4); it printed:" in said
    assert "locks held:\n  t.qcow2: all bytes, exclusive (flock): qemu-fake (pid " in said


def test_a_case_alone_has_nothing_to_tell(run_tests: RunTests, suite: MakeSuite) -> None:
    main = (
        "def main(case):\n    case.holder('stay').kill()\n    case.qemu_nbd.argv('x')\n    1 / 0\n"
    )
    said = report(run_tests, suite, main)
    assert "ZeroDivisionError" in said
    assert "process tree" not in said
