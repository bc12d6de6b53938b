# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case starts by a declared program's name is in its log, and notices nothing of that."""

from pathlib import Path

import pytest

from tests.conftest import MakeSuite, RunTests

DECLARED = 'needs = ["shows"]\n[programs.shows]\ncommand = "./shows -x"\n'
PROGRAM = r"""#!/bin/sh
case $PATH in */.shims.*) echo "told of the way to the log" ;; esac
env | grep ^goldlock_
printf '<%s>' "$@"
echo
"""
WORDS = r"""plain 'a  b' "it's" '' '*' '$HOME' "two
lines" """

SHELL = f"""#!/bin/sh
shows {WORDS}
PATH=/nowhere:$PATH:/elsewhere shows x & wait
goldlock show -- shows y | grep -v told
"""
PYTHON = """#!/usr/bin/env python3
import subprocess
from goldlock import Case, run

def task(case: Case) -> None:
    subprocess.run(["shows", "1"], check=True, stdout=subprocess.DEVNULL)

def main(case: Case) -> None:
    case.program("shows")("2")
    with case.task_group() as group:
        group.start(task)
run(main)
"""


@pytest.fixture
def shows(suite: MakeSuite) -> MakeSuite:
    """A suite with a program that shows its arguments, and is a command of two words."""
    (suite.root / "suite.toml").write_text(DECLARED)
    program = suite.root / "shows"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return suite


@pytest.mark.parametrize("wrap", ["", "--wrap=env"])
def test_a_shell_case(run_tests: RunTests, shows: MakeSuite, tmp_path: Path, wrap: str) -> None:
    golden = "<-x><plain><a  b><it's><><*><$HOME><two\nlines>\n<-x><x>\n$ shows y\n<-x><y>\n"
    shows.case("1.sh", SHELL, golden=golden)
    # A colon in its path could not be in PATH.
    odd = str(tmp_path / "odd: it's")
    done = run_tests("--suite", str(shows.root), "-d", *wrap.split(), TEST_DIR=odd)
    assert done.returncode == 0, done.stdout
    log = done.stdout.partition(" PASSED ")[2]
    assert (
        """
    $ shows plain 'a  b' 'it'"'"'s' '' '*' '$HOME' 'two
    lines'
    $ shows x
    $ shows y
    told of the way to the log
    <-x><y>
    [exit status 0]
"""
        in log
    )


def test_a_python_case(run_tests: RunTests, shows: MakeSuite) -> None:
    """What the API starts is there once, what else is started, in its task."""
    shows.case("1.py", PYTHON, golden="")
    done = run_tests("--suite", str(shows.root), "-d")
    assert done.returncode == 0, done.stdout
    log = done.stdout.partition(" PASSED ")[2]
    assert (
        "shows/shows 2\n    told of the way to the log\n    <-x><2>\n    [exit status 0]\n" in log
    )
    assert "    [task 1, task()]\n    $ shows 1\n" in log
    assert log.count("    $ ") == 2


def test_a_case_that_needs_none_has_its_path_as_it_was(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    suite.case(
        "1.sh", 'echo "${PATH%%/goldlock/bin:*}" | grep shims; echo "<$GOLDLOCK_SHIMS>"', "<>\n"
    )
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
